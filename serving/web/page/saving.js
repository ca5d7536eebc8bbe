// The page "Save" of the panel: the picture in full resolution, sheets, ZIP files.

import { notice, say, warn } from "./announce.js";
import { withPicture } from "./colorizing.js";
import { find, make } from "./dom.js";
import * as pictures from "./pictures.js";
import * as server from "./server.js";
import { texts } from "./texts.js";
import { Zip } from "./zip.js";

const MOST_IN_COLLAGE = 64;
const PIXELS_IN_COLLAGE = 150e6; // of photographs that the server holds at a time for it
const MOST_BYTES = 3.5e9; // in a ZIP file, whose sizes have 32 bits
const SUFFIXES = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/tiff": "tif",
  "image/webp": "webp",
  "application/zip": "zip",
};

const stem = (name) => name.replace(/\.[^.]*$/, "");

const suffix = (blob) => SUFFIXES[blob.type] ?? "bin";

function hand(blob, name) {
  const file = `${name}.${suffix(blob)}`;
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

const result = (picture) => withPicture(picture, (id) => server.result(id, order(picture)));

async function download() {
  const { current } = pictures;
  if (current.kind === "film") {
    make("a", { href: `api/jobs/${current.job}/result?download=true`, download: "" }).click();
    return;
  }
  hand(await result(current), texts.colorizedName(stem(current.name)));
}

// Pictures that the server cannot read are left out.
const usable = () => pictures.list.filter(({ kind, stage }) => kind === "photograph" && stage !== "failed");

async function collage(chosen) {
  const rows = [];
  let pixels = 0;
  for (const picture of chosen.slice(0, MOST_IN_COLLAGE)) {
    await withPicture(picture, (id) => server.look(id)); // the server may have forgotten it
    pixels += picture.width * picture.height;
    if (rows.length && pixels > PIXELS_IN_COLLAGE) break;
    rows.push({ id: picture.id, ...pictures.settingsOf(picture) });
  }
  hand(await server.collage(rows, "pairs"), texts.collageName);
  if (rows.length < chosen.length) warn(texts.collagePart(rows.length, chosen.length));
}

/** One after the other, so that neither the server nor the page has to hold all of them at a time. */
async function zip() {
  const all = usable();
  let file = new Zip();
  let part = 1;
  for (const [done, picture] of all.entries()) {
    notice(texts.savingBatch(done + 1, all.length), { done, of: all.length });
    try {
      const blob = await result(picture);
      if (file.size + blob.size > MOST_BYTES) {
        hand(file.finish(), texts.zipName(part));
        [file, part] = [new Zip(), part + 1];
      }
      await file.add(texts.colorizedName(stem(picture.name)), suffix(blob), blob);
    } catch (error) {
      if (error.status === 0) throw error; // the server is gone
      warn(texts.failed(picture.name, error.message));
    }
  }
  if (file.count) hand(file.finish(), texts.zipName(part));
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
  find("collage-all").addEventListener("click", () => attempt(() => collage(usable())));
  find("zip").addEventListener("click", () => attempt(zip));
  find("remove").addEventListener("click", () => pictures.remove(pictures.current));
}
