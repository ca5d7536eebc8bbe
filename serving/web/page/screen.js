// Shows the current picture: reads it, has it colorized, and again with each change of its settings.

import { notice, say, warn } from "./announce.js";
import { colorized, ensureUploaded, withPicture, workOff } from "./colorizing.js";
import { exchange, exchangeImage, find, press } from "./dom.js";
import * as films from "./films.js";
import * as looks from "./looks.js";
import * as pictures from "./pictures.js";
import * as server from "./server.js";
import { texts } from "./texts.js";
import * as viewer from "./viewer.js";

const LONGEST = 1600; // pixels of what is shown fitted
const MOST = 4096; // of what is shown enlarged
const PATIENCE = 300; // milliseconds before it is said that something takes a while

let longest = LONGEST;
let request = new AbortController(); // of what is being fetched for the current picture
let withConfidence = false;

/** Says what goes on where it takes more than a moment, as long as it is about what is shown. */
async function saying(text, promise, signal) {
  const timer = setTimeout(() => signal.aborted || notice(text, { done: 0, of: null }), PATIENCE);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    if (!signal.aborted) notice(null);
  }
}

/** At once what the browser itself can show of the file. */
async function showFile(picture, signal) {
  const image = new Image();
  image.src = picture.urls.local;
  try {
    await image.decode();
  } catch {
    return; // it does not know the format; the server sends what it can show
  }
  if (signal.aborted || picture.width) return;
  viewer.reset(image.naturalWidth, image.naturalHeight);
  find("before").src = picture.urls.local;
}

async function showOriginal(picture, signal) {
  if (picture.longest !== longest || !picture.urls.before) {
    const blob = await withPicture(picture, (id) => server.original(id, longest, signal));
    picture.urls.before = exchange(picture.urls.before, blob);
  }
  if (!signal.aborted) await viewer.show({ before: picture.urls.before });
}

async function showColors(picture, signal) {
  if (picture.stale || picture.longest !== longest || !picture.urls.after) {
    const blob = await colorized(picture, longest, signal);
    picture.urls.after = exchange(picture.urls.after, blob);
    picture.longest = longest;
    picture.stale = false;
  }
  if (signal.aborted) return;
  await viewer.show({ after: picture.urls.after });
  find("stage").removeAttribute("data-empty");
}

async function showConfidence(picture, signal) {
  const image = find("confidence");
  const possible = pictures.presetOf(picture).confidence;
  find("show-confidence").disabled = !possible;
  press(find("show-confidence"), withConfidence && possible);
  image.hidden = find("legend").hidden = true;
  if (!withConfidence || !possible) return;
  const { preset } = picture.settings;
  const { map, mean } = await withPicture(picture, (id) => server.confidence(id, preset, longest, signal));
  if (signal.aborted) return;
  picture.urls.confidence = exchange(picture.urls.confidence, map);
  await exchangeImage(image, picture.urls.confidence);
  image.hidden = find("legend").hidden = false;
  find("legend").textContent = texts.confidenceMean(Math.round(100 * mean));
}

function begin() {
  request.abort();
  request = new AbortController();
  return request.signal;
}

function fail(picture, error) {
  if (picture.id) {
    warn(error.message);
    return;
  }
  pictures.enter(picture, "failed", error.message);
  showFailure(picture);
}

/** Runs the steps for a picture; a newer call ends an older one. */
async function attempt(picture, steps) {
  const signal = begin();
  try {
    await steps(signal);
  } catch (error) {
    if (error.name !== "AbortError" && !signal.aborted) {
      if (!(error instanceof server.Refusal)) throw error;
      fail(picture, error);
    }
  }
  // What was begun for a picture that is no longer shown is done in its turn.
  if (picture !== pictures.current && picture.stage === "working") pictures.enter(picture, "waiting");
  if (!signal.aborted || picture.stage === "waiting") workOff();
}

function showFailure(picture) {
  find("work").setAttribute("data-failed", "");
  const text = texts.failed(picture.name, picture.reason);
  notice(text, null, { label: texts.remove, action: () => pictures.remove(picture) });
  say(text);
}

function showKind(kind) {
  const isFilm = kind === "film";
  find("film").hidden = !isFilm;
  if (!isFilm) find("film").removeAttribute("src");
  for (const id of ["pane-before", "pane-after"]) find(id).hidden = isFilm;
  find("work").toggleAttribute("data-film", isFilm);
  for (const id of ["tab-adjust", "tab-fix"]) {
    if (isFilm && find(id).getAttribute("aria-selected") === "true") find("tab-look").click();
    find(id).hidden = isFilm;
  }
}

/** Shows another picture. */
export async function open(picture) {
  find("stage").setAttribute("data-empty", "");
  find("work").removeAttribute("data-failed");
  for (const id of ["before", "after"]) find(id).removeAttribute("src");
  find("confidence").hidden = find("legend").hidden = true;
  notice(null);
  looks.clearCandidates();
  showKind(picture.kind);
  if (picture.kind === "film") {
    begin();
    films.show(picture);
    workOff();
    return;
  }
  if (picture.stage === "failed") {
    begin();
    showFailure(picture);
    return;
  }
  longest = LONGEST;
  const first = !picture.urls.after;
  if (picture.width) viewer.reset(picture.width, picture.height);
  if (first) pictures.enter(picture, "working");
  await attempt(picture, async (signal) => {
    if (first) showFile(picture, signal);
    await saying(texts.loading, ensureUploaded(picture), signal);
    for (const warning of picture.warnings.splice(0)) warn(texts.failed(picture.name, warning));
    if (signal.aborted) return;
    viewer.reset(picture.width, picture.height);
    const shown = Promise.all([showOriginal(picture, signal), showColors(picture, signal)]);
    await saying(texts.coloring, shown, signal);
    pictures.enter(picture, "ready");
    if (first) say(texts.colored(picture.name));
    await showConfidence(picture, signal);
    await looks.showCandidates(picture, signal);
  });
}

/** Shows the current picture with its settings as they are now. */
export async function refresh(picture) {
  picture.stale = true;
  if (picture !== pictures.current) return;
  if (picture.kind === "film") {
    films.change(picture);
    return;
  }
  await attempt(picture, async (signal) => {
    await saying(texts.coloring, showColors(picture, signal), signal);
    picture.urls.thumbnail = exchange(picture.urls.thumbnail, null); // what is shown does for it
    pictures.enter(picture, "ready");
    await showConfidence(picture, signal);
    await looks.showCandidates(picture, signal);
  });
}

/** Fetches the candidates that were not wanted while they could not be seen. */
export async function openLooks() {
  const { current } = pictures;
  if (current?.stage !== "ready" || !looks.areOutdated()) return;
  const { signal } = request;
  try {
    await looks.showCandidates(current, signal);
  } catch (error) {
    if (error.name !== "AbortError" && !signal.aborted) warn(error.message);
  }
}

/** Where the picture is enlarged beyond what has been fetched, more is. */
function sharpen() {
  const picture = pictures.current;
  if (picture?.kind !== "photograph" || picture.stage !== "ready" || longest === MOST) return;
  const side = Math.max(picture.width, picture.height);
  if (side <= longest || side * viewer.scale() * devicePixelRatio < 1.2 * longest) return;
  longest = MOST;
  attempt(picture, async (signal) => {
    await Promise.all([showOriginal(picture, signal), showColors(picture, signal)]);
  });
}

export function listen() {
  viewer.events.addEventListener("change", sharpen);
  find("show-confidence").addEventListener("click", () => {
    withConfidence = !withConfidence;
    attempt(pictures.current, (signal) => showConfidence(pictures.current, signal));
  });
}
