// What the page says: to screen readers, in dismissible lines at its foot, and over the picture.

import { find, make } from "./dom.js";
import { texts } from "./texts.js";

/** Says it to screen readers, without anything to be seen. */
export function say(text) {
  find("status").textContent = text;
}

/** Shows a line that stays until it is dismissed. */
export function warn(text) {
  const known = [...find("alerts").children].some((alert) => alert.firstChild.textContent === text);
  if (known) return;
  const dismiss = make("button", { className: "tool", textContent: texts.dismiss });
  const alert = make("div", { className: "alert" }, make("p", { textContent: text }), dismiss);
  dismiss.addEventListener("click", () => alert.remove());
  find("alerts").append(alert);
}

/**
 * Shows what goes on over the picture.
 * @param {string|null} text null for nothing
 * @param {{done: number, of: number|null}|null} progress
 * @param {{label: string, action: function()}|null} button
 */
export function notice(text, progress = null, button = null) {
  find("notice").hidden = text === null;
  if (text === null) return;
  find("notice-text").textContent = text;
  const bar = find("notice-progress");
  bar.hidden = progress === null;
  if (progress !== null && progress.of) {
    bar.max = progress.of;
    bar.value = progress.done;
  } else {
    bar.removeAttribute("value");
  }
  const action = find("cancel");
  action.hidden = button === null;
  if (button !== null) {
    action.textContent = button.label;
    action.onclick = button.action;
  }
}
