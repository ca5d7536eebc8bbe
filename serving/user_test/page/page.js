// The course of the test: welcome, practice, trials, end. What is shown follows from the state that the server tells.

import * as server from "./server.js";
import { texts } from "./texts.js";
import { load, showInTurn } from "./timing.js";

const SECTIONS = ["welcome", "resume", "trial", "interlude", "end", "problem"];
// Which controls there are in each phase of a trial.
const CONTROLS = {
  loading: [],
  gray: ["reveal"],
  showing: [],
  question: ["choose-first", "choose-second"],
  again: ["choose-first", "choose-second", "not-seen"],
  feedback: ["next"],
};
const SECONDS_FOR_A_TRIAL = 6;
const DOUBLE_CLICK = 400; // milliseconds

const find = (id) => document.getElementById(id);
let experiment;
let participant = null;
let state = null; // as the server told it last
let phase = null; // of the trial, a key of CONTROLS, or null where no trial is on the screen
let afterwards = null; // the state that follows the feedback
let times = null; // how long the two pictures were shown
let asked = 0; // when the question appeared

function open(name) {
  for (const section of SECTIONS) find(section).hidden = section !== name;
  if (name !== "trial") {
    phase = null;
    find(name).querySelector("h1").focus();
  }
}

function enter(name, prompt) {
  phase = name;
  find("prompt").textContent = prompt;
  for (const control of find("controls").children) control.hidden = !CONTROLS[name].includes(control.id);
  if (name === "gray") appear("gray");
  else if (name !== "showing") appear("nothing");
}

const LABELS = { gray: "grayPicture", first: "firstPicture", second: "secondPicture", nothing: "nothing" };

function appear(name) {
  find("stage").dataset.shown = name;
  find("stage").setAttribute("aria-label", texts[LABELS[name]]);
  if (name === "first" || name === "second") find("prompt").textContent = texts[name];
}

// While something goes on, presses do nothing; the style sheet keeps buttons from being pressed as well.
const isBusy = () => "busy" in document.body.dataset;

function setBusy(busy) {
  if (busy) document.body.dataset.busy = "";
  else delete document.body.dataset.busy;
}

// Runs what talks with the server. Where that fails, the page is behind or the server is away.
async function attempt(action) {
  if (isBusy()) return;
  setBusy(true);
  try {
    await action();
  } catch (error) {
    if (error instanceof server.Refusal && error.status === 409) {
      setBusy(false);
      await attempt(async () => proceed(await server.look(participant)));
    } else if (error instanceof server.Refusal && error.status === 404 && participant !== null) {
      forget();
    } else {
      console.error(error);
      open("problem");
    }
  } finally {
    setBusy(false);
  }
}

function welcome() {
  open("welcome");
  find("agree").checked = false;
  find("age").value = "";
}

function forget() {
  participant = null;
  server.remember(null);
  welcome();
}

const touch = matchMedia("(hover: none) and (pointer: coarse)");

async function proceed(next, notice = "") {
  state = next;
  if (state.phase === "end") {
    find("score").textContent = texts.score(state.found, state.trials);
    find("guessing").textContent = texts.guessing(Math.round(state.trials / 2));
    open("end");
    return;
  }
  find("part").textContent = state.practice ? texts.practice : texts.trials;
  find("count").textContent = texts.count(state.number, state.of);
  find("progress").max = state.of;
  find("progress").value = state.number - 1;
  open("trial");
  if (state.phase === "question") {
    enter("again", texts.questionAgain);
    return;
  }
  enter("loading", texts.loading);
  const images = Object.entries(state.pictures).map(([name, address]) => load(find(name), address));
  await Promise.all(images);
  enter("gray", `${notice} ${touch.matches ? texts.grayTouch : texts.gray}`.trim());
  await outlastDoubleClick();
}

// The second half of a double click on an answer is not meant for what appears in its place.
function outlastDoubleClick() {
  return new Promise((resolve) => setTimeout(resolve, DOUBLE_CLICK));
}

async function reveal() {
  enter("showing", "");
  await server.shown(participant, state.trial);
  times = await showInTurn(["first", "second"], 1000 * experiment.seconds, appear);
  if (times === null) {
    await replace(texts.interrupted);
    return;
  }
  enter("question", texts.question);
  asked = performance.now();
}

async function replace(notice) {
  const told = await server.lost(participant, state.trial);
  await proceed(told.state, notice);
}

async function choose(first) {
  const timing =
    phase === "again" ? null : { first: times[0], second: times[1], response: performance.now() - asked };
  const told = await server.answer(participant, state.trial, first, timing);
  if (!("right" in told)) {
    await proceed(told.state);
    return;
  }
  afterwards = told.state;
  enter("feedback", told.right ? texts.right(first) : texts.wrong(!first));
  await outlastDoubleClick();
}

async function goOn() {
  const practiceEnds = state.practice && !afterwards.practice && afterwards.phase !== "end";
  if (practiceEnds) {
    find("interlude-text").textContent = texts.fromNowOn(experiment.trials);
    open("interlude");
  } else {
    await proceed(afterwards);
  }
}

function onKey(event) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (phase === null) {
    // A heading has the focus after a change; Enter then means the main button.
    const heading = event.target.closest("h1");
    if (heading && event.key === "Enter") heading.parentElement.querySelector("button.main")?.click();
    return;
  }
  // Keys that move the focus or change others are not "any key".
  const counts = event.key.length === 1 || event.key === "Enter" || event.key.startsWith("Arrow");
  if (phase === "gray" && counts) {
    event.preventDefault(); // the focused button would be pressed as well
    attempt(reveal);
  } else if (CONTROLS[phase].includes("choose-first") && ["1", "ArrowLeft"].includes(event.key)) {
    attempt(() => choose(true));
  } else if (CONTROLS[phase].includes("choose-first") && ["2", "ArrowRight"].includes(event.key)) {
    attempt(() => choose(false));
  } else if (phase === "feedback" && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    attempt(goOn);
  }
}

function listen() {
  find("consent").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const told = await server.begin(find("age").value || null);
      participant = told.participant;
      server.remember(participant);
      await proceed(told.state);
    });
  });
  const onClick = {
    "go-on": () => proceed(state),
    another: forget,
    reveal,
    "choose-first": () => choose(true),
    "choose-second": () => choose(false),
    "not-seen": () => replace(""),
    next: goOn,
    "start-trials": () => proceed(afterwards),
    "next-person": forget,
    retry: start,
  };
  for (const [id, action] of Object.entries(onClick)) {
    find(id).addEventListener("click", () => attempt(async () => action()));
  }
  find("stage").addEventListener("click", () => phase === "gray" && attempt(reveal));
  document.addEventListener("keydown", onKey);
}

function fillIn() {
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts[element.dataset.text];
  }
}

async function start() {
  experiment = await server.describe();
  const { practice, trials, size } = experiment;
  const minutes = Math.max(1, Math.round(((practice + trials) * SECONDS_FOR_A_TRIAL) / 60));
  find("length").textContent = texts.length(practice, trials, minutes);
  find("trial").style.setProperty("--size", size);
  find("age").replaceChildren(
    find("age").firstElementChild,
    ...experiment.age_groups.map((group) => new Option(group.replace("-", "–"), group)),
  );
  participant = server.remembered();
  if (participant === null) {
    welcome();
    return;
  }
  state = await server.look(participant);
  if (state.phase === "end") {
    await proceed(state);
    return;
  }
  find("resume-text").textContent = texts.resume(state.number, state.of, state.practice);
  open("resume");
}

fillIn();
listen();
attempt(start);
