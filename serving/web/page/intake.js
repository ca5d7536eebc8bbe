// How pictures come onto the page: chosen, dragged, pasted, taken with the camera; files and whole folders.

import { warn } from "./announce.js";
import { find } from "./dom.js";
import { add, isFilm } from "./pictures.js";
import { texts } from "./texts.js";

// Browsers do not know the types of all of these.
const PHOTOGRAPHS = /\.(jpe?g|jfif|png|tiff?|webp|bmp|dib|gif|jp2|j2k|jpx|avif|heic|heif)$/i;

/** In a folder there may be anything; files that somebody chose by hand are taken as they are. */
const isWanted = (file) => !file.name.startsWith(".") && (PHOTOGRAPHS.test(file.name) || file.type.startsWith("image/") || isFilm(file));

const inOrder = (files) =>
  [...files].sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));

function take(files) {
  if (files.length) add(files);
  else warn(texts.nothingFound);
}

// === Dragging ===

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    // A call gives a part of the entries only; the last one gives none.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return entries;
    entries.push(...part);
  }
}

async function filesBelow(entry, inFolder = false) {
  if (entry.isFile) {
    const file = await fileOf(entry);
    return !inFolder || isWanted(file) ? [file] : [];
  }
  const files = [];
  for (const child of await entriesOf(entry)) files.push(...(await filesBelow(child, true)));
  return files;
}

async function drop(event) {
  event.preventDefault();
  delete document.body.dataset.dropping;
  const items = [...event.dataTransfer.items].filter(({ kind }) => kind === "file");
  // The entries have to be asked for at once: afterwards the transfer is empty.
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const files = [];
  for (const entry of entries) files.push(...(entry instanceof File ? [entry] : await filesBelow(entry)));
  take(inOrder(files));
}

let depth = 0; // dragenter and dragleave also come from the elements inside

function listenToDragging() {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    document.body.dataset.dropping = "";
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth === 0) delete document.body.dataset.dropping;
  });
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    depth = 0;
    if (hasFiles(event)) drop(event);
  });
}

// === Choosing and pasting ===

function listenToInput(input, select) {
  input.addEventListener("change", () => {
    const files = select([...input.files]);
    input.value = ""; // so that the same file can be chosen again
    take(files);
  });
}

/** Listens to all of it. */
export function listen() {
  listenToInput(find("files"), (files) => files);
  listenToInput(find("folder"), (files) => inOrder(files.filter(isWanted)));
  listenToInput(find("camera"), (files) => files);
  const openers = { choose: "files", add: "files", "choose-folder": "folder", take: "camera" };
  for (const [button, input] of Object.entries(openers)) {
    find(button).addEventListener("click", () => find(input).click());
  }
  listenToDragging();
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
}
