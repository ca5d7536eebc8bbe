// The pictures of the page: which there are, which is shown, their settings and their fixes.

import { exchange } from "./dom.js";
import * as server from "./server.js";

const LIMIT_OF_UNDO = 100;
const FILMS = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|wmv|mts|3gp|ogv)$/i;

/**
 * @typedef {Object} Picture
 * @property {File} file
 * @property {string} name
 * @property {"photograph"|"film"} kind
 * @property {"waiting"|"working"|"ready"|"failed"} stage
 * @property {string|null} reason why it failed
 * @property {string|null} id under which the server holds it
 * @property {number} width in pixels, upright
 * @property {number} height
 * @property {Object} settings what is sent to the server, but for the hints
 * @property {File|null} reference
 * @property {{x: number, y: number, color: string}[]} hints
 * @property {Object[][]} past hints that undo brings back
 * @property {Object[][]} future hints that redo brings back
 * @property {Object} urls addresses of blobs: local, before, after, thumbnail, confidence
 * @property {string[]} warnings of the server, not shown yet
 * @property {number} longest side of what has been fetched, in pixels
 * @property {boolean} stale whether settings have changed since it was
 */

/** Tells of changes by the events list, current, settings and state, whose detail is the picture concerned. */
export const changes = new EventTarget();
export const list = [];
export let current = null;
export let service = null; // what api/presets tells

export function setService(description) {
  service = description;
}

export const presetOf = (picture) => service.presets.find(({ name }) => name === picture.settings.preset);

/** Tells that something about a picture has changed. */
export function tell(name, picture) {
  changes.dispatchEvent(new CustomEvent(name, { detail: picture }));
}

export const defaults = () => ({ preset: service.default, look: "natural", temperature: null, saturation: 1, filters: [] });

export const isFilm = (file) => file.type.startsWith("video/") || FILMS.test(file.name);

/** Adds files and shows the first of them. */
export function add(files) {
  const added = files.map((file) => ({
    file,
    name: file.name || "picture",
    kind: isFilm(file) ? "film" : "photograph",
    stage: "waiting",
    reason: null,
    id: null,
    width: 0,
    height: 0,
    settings: defaults(),
    reference: null,
    hints: [],
    past: [],
    future: [],
    urls: { local: URL.createObjectURL(file) },
    warnings: [],
    longest: 0,
    stale: false,
  }));
  list.push(...added);
  tell("list", added[0]);
  select(added[0]);
}

export function select(picture) {
  current = picture;
  tell("current", picture);
}

// Where that fails, the server forgets them by itself after a while.
function forget(picture) {
  if (picture.id) server.forget(picture.id).catch(() => {});
  if (picture.job) server.cancelFilm(picture.job).catch(() => {});
}

/** Nothing stays on the server when the page is left. */
export function forgetAll() {
  list.forEach(forget);
}

export function remove(picture) {
  const place = list.indexOf(picture);
  list.splice(place, 1);
  Object.values(picture.urls).forEach((url) => exchange(url, null));
  forget(picture);
  tell("list", picture);
  if (picture === current) select(list[Math.min(place, list.length - 1)] ?? null);
}

export function enter(picture, stage, reason = null) {
  picture.stage = stage;
  picture.reason = reason;
  tell("state", picture);
}

/** Changes settings of the current picture. */
export function change(settings) {
  Object.assign(current.settings, settings);
  tell("settings", current);
}

/** Gives the current picture's settings, without its fixes and its reference, to all. */
export function changeAll() {
  for (const picture of list) {
    if (picture === current) continue;
    picture.settings = { ...current.settings };
    if (picture.kind === "photograph") enter(picture, "waiting");
    tell("settings", picture);
  }
}

/** What the server needs to know to make a picture; what is as the preset has it is left out. */
export function settingsOf(picture) {
  const { preset, look, temperature, saturation, filters } = picture.settings;
  const known = presetOf(picture);
  return {
    preset,
    look: known.looks.includes(look) ? look : null,
    temperature: known.temperature === null ? null : temperature,
    saturation: saturation === 1 ? null : saturation,
    filters: filters.length ? filters.join(",") : null,
    hints: picture.hints.length ? picture.hints : null,
    reference: picture.reference ? true : null,
  };
}

// === Fixes ===

export function setHints(hints) {
  current.past.push(current.hints);
  if (current.past.length > LIMIT_OF_UNDO) current.past.shift();
  current.future = [];
  current.hints = hints;
  tell("settings", current);
}

export function undo() {
  if (!current?.past.length) return;
  current.future.push(current.hints);
  current.hints = current.past.pop();
  tell("settings", current);
}

export function redo() {
  if (!current?.future.length) return;
  current.past.push(current.hints);
  current.hints = current.future.pop();
  tell("settings", current);
}
