// The view of a picture: its transform, zoom and pan, the divider, side by side, places on the screen and in the picture.

import { exchangeImage, find, press } from "./dom.js";
import { texts } from "./texts.js";

const MOST = 8; // pixels of the screen for one of the picture
const STEP = 1.4;
const PAN = 60; // pixels of the screen for a press of an arrow key

const stage = find("stage");
const size = { width: 1, height: 1 }; // of the picture
const view = { x: 0, y: 0, scale: 1, fitted: true };
let divider = 50; // per cent of the visible part of the picture

/** Tells by the event "change" that places on the screen have changed. */
export const events = new EventTarget();

const isSide = () => stage.dataset.view === "side";
const isStacked = () => "stacked" in stage.dataset;

/** The pane in which the colorized picture is, and its place within the stage. */
function pane() {
  const { clientWidth: width, clientHeight: height } = stage;
  if (!isSide()) return { left: 0, top: 0, width, height };
  if (isStacked()) return { left: 0, top: height / 2, width, height: height / 2 };
  return { left: width / 2, top: 0, width: width / 2, height };
}

function fitScale() {
  const { width, height } = pane();
  return Math.min(width / size.width, height / size.height, MOST);
}

// A picture that is smaller than its pane is in its middle, a larger one leaves no gap.
function hold(offset, length, room) {
  return length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, offset));
}

function draw() {
  const { width, height, left } = pane();
  if (view.fitted) view.scale = fitScale();
  view.x = hold(view.x, size.width * view.scale, width);
  view.y = hold(view.y, size.height * view.scale, height);
  const start = Math.max(0, view.x);
  const end = Math.min(width, view.x + size.width * view.scale);
  const top = Math.max(0, view.y);
  const properties = {
    "--width": `${size.width}px`,
    "--height": `${size.height}px`,
    "--x": `${view.x}px`,
    "--y": `${view.y}px`,
    "--scale": view.scale,
    "--divider": `${left + start + ((end - start) * divider) / 100}px`,
    "--top": `${top}px`,
    "--tall": `${Math.min(height, view.y + size.height * view.scale) - top}px`,
  };
  for (const [name, value] of Object.entries(properties)) stage.style.setProperty(name, value);
  find("zoom-fit").textContent = texts.zoomValue(Math.round(100 * view.scale));
  find("zoom-fit").setAttribute("aria-label", `${texts.zoomFit}, ${texts.zoomValue(Math.round(100 * view.scale))}`);
  events.dispatchEvent(new Event("change"));
}

/** Begins with another picture: fitted. */
export function reset(width, height) {
  Object.assign(size, { width, height });
  view.fitted = true;
  arrange();
}

// Two pictures side by side are larger if they are one above the other where the stage is high.
function arrange() {
  const beside = Math.min(stage.clientWidth / 2 / size.width, stage.clientHeight / size.height);
  const above = Math.min(stage.clientWidth / size.width, stage.clientHeight / 2 / size.height);
  stage.toggleAttribute("data-stacked", above > beside);
  draw();
}

/** Shows pictures, as soon as they are decoded. Either can be null, and is left as it is. */
export async function show({ before = null, after = null }) {
  await Promise.all([before && exchangeImage(find("before"), before), after && exchangeImage(find("after"), after)]);
}

export const isEnlarged = () => !view.fitted;
export const scale = () => view.scale;

/** A place of the screen -> pixels of the pane in which it is. */
export function toPane(clientX, clientY) {
  const box = stage.getBoundingClientRect();
  const { width, height } = pane();
  return { x: (clientX - box.left) % width, y: (clientY - box.top) % height };
}

/** A place of the screen -> one of the picture, as fractions of its width and height, or null beside it. */
export function toPicture(clientX, clientY) {
  const at = toPane(clientX, clientY);
  const place = {
    x: (at.x - view.x) / (size.width * view.scale),
    y: (at.y - view.y) / (size.height * view.scale),
  };
  return place.x >= 0 && place.x < 1 && place.y >= 0 && place.y < 1 ? place : null;
}

/** How far pixels of the screen are in the picture. */
export const inPicture = (pixels) => ({
  x: pixels / (size.width * view.scale),
  y: pixels / (size.height * view.scale),
});

/** The place in the colorized picture, in pixels of the stage. */
export function toStage({ x, y }) {
  const { left, top } = pane();
  return {
    left: left + view.x + x * size.width * view.scale,
    top: top + view.y + y * size.height * view.scale,
  };
}

// === Zoom and pan ===

/** Zooms by a factor and keeps what is at a place of the stage there. */
export function zoom(factor, at = null) {
  const { width, height } = pane();
  const place = at ?? { x: width / 2, y: height / 2 };
  const least = fitScale();
  const next = Math.min(Math.max(view.scale * factor, least), Math.max(MOST, least));
  view.x = place.x - ((place.x - view.x) * next) / view.scale;
  view.y = place.y - ((place.y - view.y) * next) / view.scale;
  view.scale = next;
  view.fitted = next <= least * 1.001;
  draw();
}

export function fit() {
  view.fitted = true;
  draw();
}

export function pan(x, y) {
  view.x += x;
  view.y += y;
  draw();
}

/** Moves the picture so that a place of it can be seen. */
export function reach(place) {
  const { width, height, left, top } = pane();
  const at = toStage(place);
  const beyond = (value, least, most) => Math.max(0, least - value) + Math.min(0, most - value);
  pan(beyond(at.left - left, 20, width - 20), beyond(at.top - top, 20, height - 20));
}

// === The divider ===

export function setDivider(percent) {
  divider = Math.min(100, Math.max(0, percent));
  find("reveal").value = divider;
  find("reveal").setAttribute("aria-valuetext", texts.compareValue(Math.round(divider)));
  stage.dataset.all = { 0: "after", 100: "before" }[divider] ?? "";
  draw();
}

export const dividerAt = () => divider;

/** Moves the divider to a place of the screen. */
export function dragDivider(clientX) {
  const start = Math.max(0, view.x);
  const end = Math.min(stage.clientWidth, view.x + size.width * view.scale);
  setDivider((100 * (clientX - stage.getBoundingClientRect().left - start)) / (end - start));
}

export function setSide(on) {
  stage.dataset.view = on ? "side" : "slider";
  press(find("view-side"), on);
  find("reveal").disabled = on;
  view.fitted = true;
  arrange();
}

/** Keys on the picture while no color is being fixed. Returns whether it was one of them. */
export function onKey(event) {
  const direction = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!direction) return onZoomKey(event);
  if (isEnlarged()) pan(PAN * direction[0], PAN * direction[1]);
  else if (direction[0] && !isSide()) setDivider(divider - (event.shiftKey ? 10 : 2) * direction[0]);
  else return false;
  return true;
}

export function onZoomKey(event) {
  if (event.key === "+" || event.key === "=") zoom(STEP);
  else if (event.key === "-") zoom(1 / STEP);
  else if (event.key === "0") fit();
  else return false;
  return true;
}

export function listen() {
  find("reveal").addEventListener("input", () => setDivider(find("reveal").valueAsNumber));
  find("view-side").addEventListener("click", () => setSide(!isSide()));
  find("zoom-in").addEventListener("click", () => zoom(STEP));
  find("zoom-out").addEventListener("click", () => zoom(1 / STEP));
  find("zoom-fit").addEventListener("click", fit);
  new ResizeObserver(arrange).observe(stage);
  setDivider(divider);
}
