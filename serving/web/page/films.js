// Short films: sent to the queue of the server, with their place, their progress and a way to cancel.

import { notice, say, warn } from "./announce.js";
import { find } from "./dom.js";
import * as pictures from "./pictures.js";
import * as server from "./server.js";
import { texts } from "./texts.js";

/** Whether the server colorizes films, or the reason why it does not. */
function obstacle() {
  const { unavailable, limits } = pictures.service;
  if (unavailable.films) return texts.filmsUnavailable(unavailable.films);
  const { size } = pictures.current.file;
  return size > limits.film_bytes ? texts.tooLarge(Math.floor(limits.film_bytes / 1e6)) : null;
}

function offer() {
  const reason = obstacle();
  const button = reason === null ? { label: texts.filmStart, action: start } : null;
  notice(reason ?? texts.filmAbout, null, button);
}

function tellState(film, state) {
  film.progress = state;
  if (film !== pictures.current) return;
  const button = { label: texts.cancel, action: () => cancel(film) };
  if (state.state === "waiting") {
    notice(texts.filmWaiting(state.place), { done: 0, of: null }, button);
  } else if (state.state === "running") {
    const minutes = state.seconds_left == null ? null : Math.max(1, Math.round(state.seconds_left / 60));
    notice(texts.filmRunning(state.done, state.of, minutes), { done: state.done, of: state.of }, button);
  }
}

async function cancel(film) {
  await server.cancelFilm(film.job);
}

async function start() {
  const film = pictures.current;
  const { preset, look } = pictures.settingsOf(film);
  pictures.enter(film, "working");
  notice(texts.filmSending, { done: 0, of: null });
  try {
    const job = await server.startFilm(film.file, { preset, look });
    film.job = job.id;
    const last = await server.follow(job, (state) => tellState(film, state));
    film.progress = null;
    if (last.state === "done") {
      film.result = job.result;
      say(texts.colored(film.name));
      for (const warning of last.warnings ?? []) warn(texts.failed(film.name, warning));
      pictures.enter(film, "ready");
    } else if (last.state === "failed") {
      throw new server.Refusal(422, last.error.code, last.error.message);
    } else {
      say(texts.filmCancelled);
      pictures.enter(film, "waiting");
    }
  } catch (error) {
    pictures.enter(film, "failed", error.message);
  }
  if (film === pictures.current) show(film);
}

/** Shows a film: as it is, or colorized as soon as it is. */
export function show(film) {
  const video = find("film");
  const address = film.stage === "ready" ? film.result : film.urls.local;
  if (video.getAttribute("src") !== address) video.src = address;
  if (film.stage === "ready") notice(null);
  else if (film.stage === "failed") notice(texts.failed(film.name, film.reason), null, { label: texts.filmStart, action: start });
  else if (film.progress) tellState(film, film.progress);
  else if (film.stage === "working") notice(texts.filmSending, { done: 0, of: null });
  else offer();
}

/** Its settings have changed: it can be colorized anew. */
export function change(film) {
  if (film.stage === "working") return;
  pictures.enter(film, "waiting");
  show(film);
}
