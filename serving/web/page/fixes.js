// The page "Fix" of the panel: a place in the picture, the colors that are plausible there, undo and redo.

import { say, warn } from "./announce.js";
import { nameOf } from "./color_names.js";
import { withPicture } from "./colorizing.js";
import { find, make } from "./dom.js";
import * as pictures from "./pictures.js";
import { rove, stopAt } from "./roving.js";
import * as server from "./server.js";
import { texts } from "./texts.js";
import * as viewer from "./viewer.js";

const NEAR = 14; // pixels of the screen at which a click means a fix that is there
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SMALL = 8; // pixels of the screen for a press of an arrow key
const LARGE = 48;

let open = false;
let cursor = { x: 0.5, y: 0.5 }; // of the crosshair
let chosen = null; // the place whose colors are shown
let request = null;

const isPossible = () =>
  pictures.current?.kind === "photograph" && pictures.presetOf(pictures.current).hints && !pictures.service.unavailable.hints;

export const isFixing = () => open && isPossible();

const isAt = (place) => (hint) => hint.x === place.x && hint.y === place.y;

// === What is seen ===

function place(element, at) {
  const { left, top } = viewer.toStage(at);
  element.style.left = `${left}px`;
  element.style.top = `${top}px`;
}

/** Puts the crosshair and the fixes where they belong after the picture has moved. */
function showPlaces() {
  find("crosshair").hidden = !isFixing() || (chosen === null && document.activeElement !== find("stage"));
  place(find("crosshair"), cursor);
  const hints = open ? (pictures.current?.hints ?? []) : [];
  const pins = hints.map((hint) => {
    const pin = make("span", { className: "pin" });
    pin.style.background = hint.color;
    place(pin, hint);
    return pin;
  });
  find("pins").replaceChildren(...pins);
}

/** Shows the fixes of a picture. */
export function show(picture) {
  const { hints, past, future } = picture;
  find("stage").toggleAttribute("data-fixing", isFixing());
  find("stage").setAttribute("aria-label", texts.stageLabel(picture.name, isFixing()));
  find("undo").disabled = past.length === 0;
  find("redo").disabled = future.length === 0;
  find("clear-fixes").hidden = hints.length === 0;
  find("fix-count").textContent = texts.fixCount(hints.length);
  const color = chosen && hints.find(isAt(chosen))?.color;
  find("remove-fix").hidden = !color;
  for (const swatch of find("swatches").children) {
    swatch.setAttribute("aria-pressed", String(swatch.dataset.color === color));
  }
  if (color) find("own-color").value = color;
  let prompt = chosen ? texts.fixChoose : texts.fixPrompt;
  if (!isPossible()) prompt = texts.noFixes;
  find("fix-prompt").textContent = prompt;
  find("palette-field").hidden = chosen === null;
  showPlaces();
}

/** Begins anew, with another picture. */
export function reset() {
  request?.abort();
  cursor = { x: 0.5, y: 0.5 };
  chosen = null;
}

/** Tells whether the page of the panel is open. */
export function setOpen(on) {
  open = on;
  if (pictures.current) show(pictures.current);
}

// === Choosing a place and a color ===

function makeSwatch({ color, probability }) {
  const percent = Math.max(1, Math.round(100 * probability));
  const label = texts.swatch(nameOf(color), percent);
  const swatch = make("button", { className: "swatch", title: label, "aria-label": label, "aria-pressed": "false" });
  swatch.dataset.color = color;
  swatch.style.setProperty("--color", color);
  swatch.addEventListener("click", () => take(color));
  return swatch;
}

function take(color) {
  const others = pictures.current.hints.filter((hint) => !isAt(chosen)(hint));
  pictures.setHints([...others, { ...chosen, color }]);
  say(texts.fixed(nameOf(color)));
}

/** A fix that is under a click, or the place itself. */
function nearest(at) {
  const reach = viewer.inPicture(NEAR);
  const distance = (hint) => Math.hypot((hint.x - at.x) / reach.x, (hint.y - at.y) / reach.y);
  const near = pictures.current.hints.filter((hint) => distance(hint) <= 1);
  near.sort((one, other) => distance(one) - distance(other));
  return near.length ? { x: near[0].x, y: near[0].y } : at;
}

async function showPalette(picture, byKeyboard, signal) {
  const settings = pictures.settingsOf(picture);
  const told = await withPicture(picture, (id) => server.palette(id, chosen.x, chosen.y, settings, signal));
  const swatches = told.colors.map(makeSwatch);
  find("swatches").replaceChildren(...swatches);
  find("own-color").value = told.current;
  stopAt(swatches, swatches[0]);
  show(picture);
  say(texts.paletteReady(swatches.length, nameOf(told.current)));
  if (byKeyboard) swatches[0]?.focus();
}

/**
 * Shows the colors that are plausible at a place.
 * @param {{x: number, y: number}} at fractions of width and height
 * @param {boolean} byKeyboard whether the colors then have the focus
 */
export async function choose(at, byKeyboard = false) {
  const picture = pictures.current;
  const { palette } = pictures.presetOf(picture);
  request?.abort();
  request = new AbortController();
  chosen = cursor = nearest(at);
  find("swatches").replaceChildren();
  find("palette").hidden = !palette;
  show(picture);
  try {
    if (palette) await showPalette(picture, byKeyboard, request.signal);
    else if (byKeyboard) find("own-color").focus();
  } catch (error) {
    if (error.name !== "AbortError") warn(error.message);
  }
}

/** Keys on the picture. Returns whether it was one of these. */
export function onKey(event) {
  if (event.key === "Enter" || event.key === " ") {
    choose(cursor, true);
    return true;
  }
  if (!(event.key in STEPS)) return viewer.onZoomKey(event);
  const step = viewer.inPicture(event.shiftKey ? LARGE : SMALL);
  const [right, down] = STEPS[event.key];
  const within = (value) => Math.min(0.999, Math.max(0, value));
  cursor = { x: within(cursor.x + right * step.x), y: within(cursor.y + down * step.y) };
  viewer.reach(cursor);
  say(texts.crosshair(Math.round(100 * cursor.x), Math.round(100 * cursor.y)));
  return true;
}

function onUndoKey(event) {
  if (!event.ctrlKey && !event.metaKey) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) pictures.undo();
  else if (key === "y" || key === "z") pictures.redo();
  else return;
  event.preventDefault();
}

export function listen() {
  find("undo").addEventListener("click", pictures.undo);
  find("redo").addEventListener("click", pictures.redo);
  find("clear-fixes").addEventListener("click", () => pictures.setHints([]));
  find("remove-fix").addEventListener("click", () =>
    pictures.setHints(pictures.current.hints.filter((hint) => !isAt(chosen)(hint))),
  );
  find("own-color").addEventListener("change", () => take(find("own-color").value));
  find("palette-field").addEventListener("keydown", (event) => event.key === "Escape" && find("stage").focus());
  find("stage").addEventListener("focus", showPlaces);
  find("stage").addEventListener("blur", showPlaces);
  document.addEventListener("keydown", onUndoKey);
  viewer.events.addEventListener("change", showPlaces);
  rove(find("swatches"));
}
