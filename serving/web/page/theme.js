// Light or dark: as the system has it, until somebody decides otherwise.

import { find, press } from "./dom.js";

const KEY = "colorzoo-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

// Some browsers refuse storage in private windows; then the choice lasts as long as the page.
function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // See above.
  }
}

function show(theme) {
  document.documentElement.dataset.theme = theme;
  press(find("theme"), theme === "dark");
}

const ofSystem = () => (dark.matches ? "dark" : "light");

export function listen() {
  show(chosen() ?? ofSystem());
  dark.addEventListener("change", () => chosen() ?? show(ofSystem()));
  find("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    remember(next);
    show(next);
  });
}
