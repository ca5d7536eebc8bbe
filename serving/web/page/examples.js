// Photographs to try the page with, which come with it.

import { find, make } from "./dom.js";
import { add } from "./pictures.js";
import { texts } from "./texts.js";

const NAMES = ["astronaut", "coffee", "chelsea"];

async function open(name) {
  const response = await fetch(`examples/${name}.jpg`);
  add([new File([await response.blob()], `${name}.jpg`, { type: "image/jpeg" })]);
}

export function listen() {
  for (const name of NAMES) {
    const image = make("img", { src: `examples/${name}.jpg`, alt: texts.example(texts.exampleNames[name]) });
    const button = make("button", {}, image);
    button.addEventListener("click", () => open(name));
    find("example-list").append(make("li", {}, button));
  }
  find("examples").hidden = false;
}
