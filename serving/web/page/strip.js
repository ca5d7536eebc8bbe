// The thumbnails of all pictures.

import { say } from "./announce.js";
import { find, make } from "./dom.js";
import * as pictures from "./pictures.js";
import { rove, stopAt } from "./roving.js";
import { texts } from "./texts.js";

const buttons = new Map(); // picture -> its button

function makeButton(picture) {
  const image = make("img", { alt: "", loading: "lazy", decoding: "async" });
  const button = make("button", {}, image, make("span", { className: "mark", hidden: true }));
  image.addEventListener("error", () => {
    image.dataset.broken = image.getAttribute("src");
    image.hidden = true;
  });
  button.addEventListener("click", () => pictures.select(picture));
  buttons.set(picture, button);
  return button;
}

function update(picture) {
  const button = buttons.get(picture);
  if (!button) return;
  const { stage, kind, name, reason, urls } = picture;
  button.dataset.stage = stage;
  button.setAttribute("aria-label", texts.thumbnail(name, reason ?? texts.states[stage]));
  button.title = reason === null ? name : texts.failed(name, reason);
  button.setAttribute("aria-current", String(picture === pictures.current));
  const [image, mark] = button.children;
  // Browsers cannot show every photograph; what they cannot is hidden until its thumbnail has come.
  const local = kind === "film" || stage === "failed" ? null : urls.local;
  const address = urls.thumbnail ?? urls.after ?? local;
  if (address && image.getAttribute("src") !== address) image.src = address;
  image.hidden = address === null || image.dataset.broken === address;
  mark.hidden = stage !== "failed" && kind !== "film";
  mark.textContent = stage === "failed" ? texts.failedMark : texts.filmMark;
}

function showAll() {
  const { list, current } = pictures;
  for (const picture of [...buttons.keys()]) if (!list.includes(picture)) buttons.delete(picture);
  const items = list.map((picture) => {
    const button = buttons.get(picture) ?? makeButton(picture);
    return button.parentElement ?? make("li", {}, button);
  });
  find("thumbnails").replaceChildren(...items);
  list.forEach(update);
  find("strip").hidden = list.length < 2;
  stopAt([...buttons.values()], buttons.get(current) ?? buttons.get(list[0]));
}

function tellProgress() {
  const photographs = pictures.list.filter(({ kind }) => kind === "photograph");
  const done = photographs.filter(({ stage }) => stage === "ready").length;
  if (photographs.length > 1) say(texts.batch(done, photographs.length));
}

export function listen() {
  rove(find("thumbnails"));
  pictures.changes.addEventListener("list", showAll);
  pictures.changes.addEventListener("current", () => {
    pictures.list.forEach(update);
    const button = buttons.get(pictures.current);
    if (!button) return;
    stopAt([...buttons.values()], button);
    button.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  pictures.changes.addEventListener("state", ({ detail }) => {
    update(detail);
    if (detail.stage === "ready") tellProgress();
  });
}
