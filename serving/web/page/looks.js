// The page "Look" of the panel: three candidates, the model, the reference photograph.

import { warn } from "./announce.js";
import { colorized, refer } from "./colorizing.js";
import { exchange, find, make } from "./dom.js";
import * as pictures from "./pictures.js";
import { texts } from "./texts.js";

const SIDE = 256; // longest side of a candidate, in pixels

let referenceAddress = null;
let outdated = false; // whether the candidates are not those of the settings as they are now

function makeCard(look) {
  const input = make("input", { type: "radio", name: "look", value: look });
  // A look has its own temperature.
  input.addEventListener("change", () => pictures.change({ look, temperature: null }));
  return make(
    "label",
    { className: "card" },
    input,
    make("span", { className: "blank", "aria-hidden": "true" }),
    make("img", { alt: "", hidden: true }),
    make("span", { textContent: texts.looks[look] }),
  );
}

function showPreset(picture) {
  const { name, architecture, parameters, training_data: data, looks, reference } = pictures.presetOf(picture);
  find("preset").value = name;
  // A server of models may have some that it knows nothing about.
  find("preset-about").textContent =
    parameters === null ? "" : texts.presetAbout(architecture, (parameters / 1e6).toFixed(1), data);
  const hasLooks = looks.length > 0 && !pictures.service.unavailable.looks;
  find("looks").hidden = !hasLooks;
  find("no-looks").hidden = hasLooks;
  find("reference-field").hidden = !reference || picture.kind === "film";
  const chosen = find("looks").querySelector(`[value=${picture.settings.look}]`);
  if (chosen) chosen.checked = true;
}

function showReference(picture) {
  const { reference } = picture;
  referenceAddress = exchange(referenceAddress, reference);
  const image = find("reference-image");
  image.hidden = reference === null;
  if (reference) image.src = referenceAddress;
  image.alt = texts.referenceAlt;
  find("remove-reference").hidden = reference === null;
}

/** Shows the settings of a picture. */
export function show(picture) {
  showPreset(picture);
  showReference(picture);
}

/** Takes away the candidates of the picture before. */
export function clearCandidates() {
  for (const card of find("looks").querySelectorAll(".card")) {
    card.querySelector(".blank").hidden = false;
    card.querySelector("img").hidden = true;
  }
}

export const areOutdated = () => outdated;

/** Fetches the candidates of a picture where they can be seen: during fixes the server has enough to do. */
export async function showCandidates(picture, signal) {
  outdated = find("page-look").hidden;
  if (outdated) return;
  if (picture.kind === "film" || find("looks").hidden) return;
  for (const card of find("looks").querySelectorAll(".card")) {
    const look = card.querySelector("input").value;
    const blob = await colorized(picture, SIDE, signal, { look, temperature: null });
    if (signal.aborted) return;
    const image = card.querySelector("img");
    image.src = exchange(image.src, blob);
    image.hidden = false;
    card.querySelector(".blank").hidden = true;
  }
}

async function setReference(file) {
  try {
    await refer(pictures.current, file);
  } catch (error) {
    warn(texts.failed(file.name, error.message));
  }
}

export function listen() {
  const { looks, presets, default: best } = pictures.service;
  find("looks").append(...looks.map(makeCard));
  const inOrder = [...presets].sort((one, other) => (other.name === best) - (one.name === best));
  find("preset").append(
    ...inOrder.map(({ name }) => new Option(name === best ? texts.recommended(name) : name, name)),
  );
  find("preset").addEventListener("change", () =>
    pictures.change({ preset: find("preset").value, temperature: null }),
  );
  find("choose-reference").addEventListener("click", () => find("reference").click());
  find("reference").addEventListener("change", () => {
    const [file] = find("reference").files;
    if (file) setReference(file);
    find("reference").value = "";
  });
  find("remove-reference").addEventListener("click", () => setReference(null));
}
