// Sends photographs to the server and fetches what it makes of them.

import { exchange } from "./dom.js";
import { current, enter, list, service, settingsOf, tell } from "./pictures.js";
import * as server from "./server.js";
import { texts } from "./texts.js";

const THUMBNAIL = 192; // longest side in pixels

const uploads = new Map(); // picture -> promise of the upload in progress

function checkSize(file) {
  const limit = service.limits.upload_bytes;
  if (file.size > limit) throw new server.Refusal(413, "too_many_bytes", texts.tooLarge(Math.floor(limit / 1e6)));
}

async function send(picture) {
  checkSize(picture.file);
  const told = await server.upload(picture.file);
  if (picture.reference) await server.setReference(told.id, picture.reference);
  Object.assign(picture, { id: told.id, width: told.width, height: told.height, warnings: told.warnings });
}

/** Uploads a photograph unless the server has it; two callers share one upload. */
export function ensureUploaded(picture) {
  if (picture.id) return Promise.resolve();
  if (!uploads.has(picture)) uploads.set(picture, send(picture).finally(() => uploads.delete(picture)));
  return uploads.get(picture);
}

/**
 * Does something with a photograph that the server holds; where it has forgotten it, it is sent again.
 * @param {function(string): Promise} action of its id
 */
export async function withPicture(picture, action) {
  await ensureUploaded(picture);
  try {
    return await action(picture.id);
  } catch (error) {
    if (error.code !== "photograph_gone") throw error;
    picture.id = null;
    await ensureUploaded(picture);
    return action(picture.id);
  }
}

/** Sets or removes the reference photograph. */
export async function refer(picture, file) {
  if (file) await withPicture(picture, (id) => server.setReference(id, file));
  picture.reference = file;
  tell("settings", picture);
}

/** The colorized picture in a size, as a blob. */
export const colorized = (picture, longest, signal, changed = {}) =>
  withPicture(picture, (id) => server.preview(id, { ...settingsOf(picture), ...changed }, longest, signal));

// === Pictures that are not shown: their thumbnails, one after the other ===

let working = false;

// The server need not hold a whole folder; what is looked at or saved later is sent again.
function release(picture) {
  if (picture === current || picture.id === null) return;
  server.forget(picture.id).catch(() => {});
  picture.id = null;
}

/** Colorizes what waits, so that the strip shows all pictures in color. */
export async function workOff() {
  if (working) return;
  working = true;
  for (;;) {
    const picture = list.find(({ kind, stage }) => kind === "photograph" && stage === "waiting");
    if (!picture) break;
    enter(picture, "working");
    await makeThumbnail(picture);
    release(picture);
  }
  working = false;
}

/** Never fails: what is wrong with a picture is what its place in the strip says. */
async function makeThumbnail(picture) {
  try {
    picture.urls.thumbnail = exchange(picture.urls.thumbnail, await colorized(picture, THUMBNAIL));
    if (picture.stage === "waiting") return; // its settings have changed meanwhile
    enter(picture, "ready");
  } catch (error) {
    if (!(error instanceof server.Refusal)) throw error;
    enter(picture, "failed", error.message);
  }
}
