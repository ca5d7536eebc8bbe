// Puts the page together.

import { warn } from "./announce.js";
import * as adjust from "./adjust.js";
import { workOff } from "./colorizing.js";
import { fillIn, find } from "./dom.js";
import * as examples from "./examples.js";
import * as fixes from "./fixes.js";
import * as gestures from "./gestures.js";
import * as help from "./help.js";
import * as intake from "./intake.js";
import * as looks from "./looks.js";
import * as pictures from "./pictures.js";
import * as saving from "./saving.js";
import * as screen from "./screen.js";
import * as server from "./server.js";
import * as strip from "./strip.js";
import * as tabs from "./tabs.js";
import { texts } from "./texts.js";
import * as theme from "./theme.js";
import * as viewer from "./viewer.js";

const PANEL = [looks, adjust, fixes, saving];

function showCurrent(picture) {
  find("empty").hidden = picture !== null;
  find("work").hidden = picture === null;
  find("add").hidden = picture === null;
  if (picture === null) {
    find("choose").focus();
    return;
  }
  fixes.reset();
  for (const part of PANEL) part.show(picture);
  screen.open(picture);
}

function showSettings(picture) {
  if (picture === pictures.current) for (const part of PANEL) part.show(picture);
  else workOff();
  screen.refresh(picture);
}

// To see a color spread, one has to see the whole picture in color.
let dividerBefore = 50;

function openTab(name) {
  const fixing = name === "fix";
  if (fixing && !fixes.isFixing()) dividerBefore = viewer.dividerAt();
  if (fixing) viewer.setDivider(0);
  else if (fixes.isFixing()) viewer.setDivider(dividerBefore);
  fixes.setOpen(fixing);
  if (name === "look") screen.openLooks();
}

function listen() {
  const { changes } = pictures;
  changes.addEventListener("current", ({ detail }) => showCurrent(detail));
  changes.addEventListener("settings", ({ detail }) => showSettings(detail));
  for (const name of ["state", "list"]) {
    changes.addEventListener(name, () => {
      if (!pictures.current) return;
      saving.show(pictures.current);
      find("apply-all").hidden = pictures.list.length < 2;
    });
  }
  find("stage").addEventListener("keydown", (event) => {
    if (event.target !== find("stage") || event.ctrlKey || event.altKey || event.metaKey) return;
    const taken = fixes.isFixing() ? fixes.onKey(event) : viewer.onKey(event);
    if (taken) event.preventDefault();
  });
  window.addEventListener("beforeunload", (event) => {
    if (pictures.list.some(({ hints }) => hints.length)) event.preventDefault(); // the browser asks whether to go
  });
  window.addEventListener("pagehide", pictures.forgetAll);
  gestures.listen(fixes.choose, fixes.isFixing);
  tabs.listen(openTab);
}

// Where pictures go, as far as the page can know.
function showPrivacy() {
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const { here, at, behind } = texts.privacy;
  let text = isHere ? here : at(location.hostname);
  if (pictures.service.mode === "server") text = behind(location.hostname);
  find("privacy").textContent = text;
}

async function start() {
  fillIn();
  theme.listen();
  try {
    pictures.setService(await server.describe());
  } catch (error) {
    help.listen("");
    warn(error.message);
    return;
  }
  help.listen(pictures.service.version);
  showPrivacy();
  for (const part of [strip, looks, adjust, fixes, saving, viewer, screen, intake, examples]) part.listen();
  listen();
}

start();
