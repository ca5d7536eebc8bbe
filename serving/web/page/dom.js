// The elements of the page: finding them, making them, and filling in the texts.

import { texts } from "./texts.js";

/** @param {string} id */
export const find = (id) => document.getElementById(id);

/**
 * A new element.
 * @param {string} tag
 * @param {Object} properties of the element; those with a hyphen are attributes
 * @param {...(Node|string)} children
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Puts the texts where the document names them: data-text as content, data-label as accessible name and tooltip. */
export function fillIn() {
  for (const element of document.querySelectorAll("[data-text]")) {
    const text = texts[element.dataset.text];
    if (typeof text === "string") element.textContent = text;
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", texts[element.dataset.label]);
    if (element.tagName === "BUTTON") element.title = texts[element.dataset.label];
  }
  document.title = texts.title;
}

/** Makes a button, an element with aria-pressed, show whether it is on. */
export function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

/** Gives an address to a blob and takes back the one before, so that its memory is freed. */
export function exchange(address, blob) {
  if (address) URL.revokeObjectURL(address);
  return blob ? URL.createObjectURL(blob) : null;
}

/** Replaces the picture of an img once the new one is decoded, so that nothing flickers. */
export async function exchangeImage(image, address) {
  const next = new Image();
  next.src = address;
  await next.decode();
  image.src = address;
}
