// What a mouse, a pen or fingers do on the picture: a tap, dragging the divider, moving the picture, zooming it.

import { find } from "./dom.js";
import * as viewer from "./viewer.js";

const SLACK = 6; // pixels that a tap may move
const WHEEL = 0.0015; // logarithm of the factor for a pixel of the wheel

const pointers = new Map(); // id -> its last place
let gesture = null; // "tap", "divider", "pan", "pinch"

/**
 * @param {function({x: number, y: number})} tapped is told a place of the picture
 * @param {function(): boolean} isFixing whether taps choose places
 */
export function listen(tapped, isFixing) {
  const stage = find("stage");
  const isOther = (event) => event.target.closest(".notice, video, button") !== null;

  stage.addEventListener("pointerdown", (event) => {
    if (isOther(event) || event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY });
    if (pointers.size === 2) gesture = "pinch";
    else gesture = event.target.closest(".divider") ? "divider" : "tap";
  });

  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const { clientX: x, clientY: y } = event;
    if (gesture === "tap" && Math.hypot(x - last.startX, y - last.startY) > SLACK) {
      const slides = stage.dataset.view === "slider" && !viewer.isEnlarged() && !isFixing();
      gesture = slides ? "divider" : "pan";
    }
    if (gesture === "divider") viewer.dragDivider(x);
    else if (gesture === "pan") viewer.pan(x - last.x, y - last.y);
    else if (gesture === "pinch") pinch(event.pointerId, { x, y });
    Object.assign(last, { x, y });
  });

  const end = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && gesture === "tap" && isFixing()) {
      const place = viewer.toPicture(event.clientX, event.clientY);
      if (place) tapped(place);
    }
    gesture = pointers.size === 1 ? "pan" : null;
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);

  stage.addEventListener("wheel", (event) => {
    if (isOther(event)) return;
    event.preventDefault();
    viewer.zoom(Math.exp(-WHEEL * event.deltaY * (event.deltaMode === 1 ? 20 : 1)), viewer.toPane(event.clientX, event.clientY));
  });
  stage.addEventListener("dblclick", (event) => {
    if (isOther(event) || isFixing()) return;
    if (viewer.isEnlarged()) viewer.fit();
    else viewer.zoom(Math.max(1 / viewer.scale(), 2.5), viewer.toPane(event.clientX, event.clientY));
  });
}

function pinch(id, moved) {
  const [other] = [...pointers].filter(([each]) => each !== id).map(([, place]) => place);
  const last = pointers.get(id);
  const distance = (place) => Math.hypot(place.x - other.x, place.y - other.y);
  viewer.pan((moved.x - last.x) / 2, (moved.y - last.y) / 2);
  viewer.zoom(distance(moved) / Math.max(1, distance(last)), viewer.toPane((moved.x + other.x) / 2, (moved.y + other.y) / 2));
}
