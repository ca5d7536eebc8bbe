// The page "Save" of the panel: the picture in full resolution, sheets, ZIP files.

import { notice, say, warn } from "./announce.js";
import { ensureUploaded, withPicture } from "./colorizing.js";
import { find, make } from "./dom.js";
import * as pictures from "./pictures.js";
import * as server from "./server.js";
import { texts } from "./texts.js";

const MOST_IN_ZIP = 100;
const MOST_IN_COLLAGE = 64;
const SUFFIXES = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/tiff": "tif",
  "image/webp": "webp",
  "application/zip": "zip",
};

const stem = (name) => name.replace(/\.[^.]*$/, "");

function hand(blob, name) {
  const file = `${name}.${SUFFIXES[blob.type] ?? "bin"}`;
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser may still read it
  say(texts.saved(file));
}

/** Does something that takes a while, with the buttons off. */
async function attempt(action) {
  const buttons = [...find("page-save").querySelectorAll("button:not([disabled])")];
  for (const button of buttons) button.disabled = true;
  notice(texts.saving);
  try {
    await action();
  } catch (error) {
    warn(error.message);
  } finally {
    notice(null);
    for (const button of buttons) button.disabled = false;
  }
}

const order = (picture) => ({ ...pictures.settingsOf(picture), format: find("format").value || null });

async function download() {
  const { current } = pictures;
  if (current.kind === "film") {
    make("a", { href: `api/jobs/${current.job}/result?download=true`, download: "" }).click();
    return;
  }
  const blob = await withPicture(current, (id) => server.result(id, order(current)));
  hand(blob, texts.colorizedName(stem(current.name)));
}

// Pictures that the server cannot read are left out.
const usable = () => pictures.list.filter(({ kind, stage }) => kind === "photograph" && stage !== "failed");

/** What the server needs to know of each picture; it may have forgotten some, which are sent again. */
async function orders(chosen) {
  const told = [];
  for (const picture of chosen) {
    await ensureUploaded(picture);
    await withPicture(picture, (id) => server.look(id));
    told.push({ id: picture.id, name: texts.colorizedName(stem(picture.name)), ...order(picture) });
  }
  return told;
}

async function collage(chosen) {
  const told = await orders(chosen);
  const rows = told.map(({ name, format, ...row }) => row);
  hand(await server.collage(rows, "pairs"), texts.collageName);
}

/** In as many files as the server can hold the pictures for. */
async function zip() {
  const all = usable();
  const most = Math.min(MOST_IN_ZIP, pictures.service.limits.photographs);
  const parts = Math.ceil(all.length / most);
  for (let part = 1; part <= parts; part += 1) {
    notice(texts.savingBatch(part, parts), { done: part - 1, of: parts });
    const told = await orders(all.slice((part - 1) * most, part * most));
    hand(await server.zip(told), texts.zipName(part, parts));
  }
}

/** Shows what can be saved. */
export function show(picture) {
  const isFilm = picture.kind === "film";
  const several = usable().length > 1;
  find("download").textContent = isFilm ? texts.downloadFilm : texts.download;
  find("download").disabled = picture.stage !== "ready";
  find("collage").disabled = picture.stage !== "ready";
  find("collage").hidden = isFilm;
  find("collage-all").hidden = !several;
  find("zip").hidden = !several;
  find("zip").textContent = texts.zip(usable().length);
  find("format").disabled = isFilm;
}

export function listen() {
  const formats = pictures.service.formats.map((name) => new Option(texts.formats[name] ?? name, name));
  find("format").append(new Option(texts.sameFormat, ""), ...formats);
  find("download").addEventListener("click", () => attempt(download));
  find("collage").addEventListener("click", () => attempt(() => collage([pictures.current])));
  find("collage-all").addEventListener("click", () => attempt(() => collage(usable().slice(0, MOST_IN_COLLAGE))));
  find("zip").addEventListener("click", () => attempt(zip));
  find("remove").addEventListener("click", () => pictures.remove(pictures.current));
}
