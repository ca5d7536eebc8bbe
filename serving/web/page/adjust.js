// The page "Adjust" of the panel: saturation, temperature, filters.

import { say } from "./announce.js";
import { find, make } from "./dom.js";
import * as pictures from "./pictures.js";
import { texts } from "./texts.js";

const PATIENCE = 120; // milliseconds after the last move of a slider

let waiting = null;

function changeSoon(settings) {
  clearTimeout(waiting);
  waiting = setTimeout(() => pictures.change(settings), PATIENCE);
}

function makeSlider(name, about, range, changed) {
  const input = make("input", { type: "range", id: name, ...range });
  if (about) input.setAttribute("aria-describedby", `${name}-about`);
  input.addEventListener("input", () => changed(input.valueAsNumber));
  const parts = [make("label", { htmlFor: name, textContent: texts[name] }), make("output", { htmlFor: name }), input];
  if (about) parts.push(make("p", { id: `${name}-about`, className: "soft", textContent: about }));
  return make("div", { className: "slider", id: `${name}-field` }, ...parts);
}

function tellValue(name, text) {
  find(`${name}-field`).querySelector("output").textContent = text;
  find(name).setAttribute("aria-valuetext", text);
}

const saturationText = (value) => `${Math.round(100 * value)} %`;

// The slider of the temperature is logarithmic: half of one is as far as its double.
const toTemperature = (value) => Number((2 ** value).toFixed(2));

function makeChip(filter) {
  const input = make("input", { type: "checkbox", value: filter });
  input.addEventListener("change", () => {
    const on = [...find("tints").querySelectorAll("input:checked")].map(({ value }) => value);
    pictures.change({ filters: on });
  });
  return make("label", { className: "chip" }, input, texts.filters[filter] ?? filter);
}

/** Shows the settings of a picture. */
export function show(picture) {
  const { saturation, temperature, filters } = picture.settings;
  const own = pictures.presetOf(picture).temperature;
  find("saturation").value = saturation;
  tellValue("saturation", saturationText(saturation));
  find("temperature-field").hidden = own === null;
  find("temperature").value = Math.log2(temperature ?? own ?? 1);
  tellValue("temperature", temperature === null ? texts.automatic : String(temperature));
  for (const input of find("tints").querySelectorAll("input")) input.checked = filters.includes(input.value);
  find("apply-all").hidden = pictures.list.length < 2;
}

export function listen() {
  const saturation = { min: 0, max: 2, step: 0.05 };
  const temperature = { min: Math.log2(0.1), max: 1, step: "any" };
  find("sliders").append(
    makeSlider("saturation", null, saturation, (value) => {
      tellValue("saturation", saturationText(value));
      changeSoon({ saturation: value });
    }),
    makeSlider("temperature", texts.temperatureAbout, temperature, (value) => {
      tellValue("temperature", String(toTemperature(value)));
      changeSoon({ temperature: toTemperature(value) });
    }),
  );
  find("tints").append(...pictures.service.filters.map(makeChip));
  find("reset").addEventListener("click", () => pictures.change({ saturation: 1, temperature: null, filters: [] }));
  find("apply-all").addEventListener("click", () => {
    pictures.changeAll();
    say(texts.appliedAll(pictures.list.length));
  });
}
