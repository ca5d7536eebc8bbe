// The dialog with instructions, what to expect, the keys, and what this is.

import { find, make } from "./dom.js";
import { texts } from "./texts.js";

function keyRow([keys, effect]) {
  return make("tr", {}, make("th", { scope: "row", textContent: keys }), make("td", { textContent: effect }));
}

function section({ title, paragraphs = [], list = [], keys = [] }, version) {
  const parts = [make("h3", { textContent: title })];
  for (const text of paragraphs) {
    parts.push(make("p", { textContent: typeof text === "string" ? text : text(version) }));
  }
  if (list.length) parts.push(make("ul", {}, ...list.map((text) => make("li", { textContent: text }))));
  if (keys.length) parts.push(make("table", {}, make("tbody", {}, ...keys.map(keyRow))));
  return make("section", {}, ...parts);
}

/** @param {string} version of Colorzoo */
export function listen(version) {
  const dialog = find("help");
  find("help-text").append(...texts.helpSections.map((each) => section(each, version)));
  find("open-help").addEventListener("click", () => dialog.showModal());
  find("close-help").addEventListener("click", () => dialog.close());
  // A click beside the dialog is one on the dialog itself, whose content fills it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
