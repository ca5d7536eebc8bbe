// The HTTP interface of the server.

import { say } from "./announce.js";
import { texts } from "./texts.js";

const TRIES = 6;
const LONGEST_WAIT = 90; // seconds

export class Refusal extends Error {
  /**
   * @param {number} status of HTTP, 0 where the server does not answer
   * @param {string} code as docs/web.md lists them
   * @param {string} message one sentence, to be shown
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function refusal(response) {
  try {
    const { error } = await response.json();
    return new Refusal(response.status, error.code, error.message);
  } catch {
    return new Refusal(response.status, "unknown", `${response.status} ${response.statusText}`);
  }
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Asks until the server has time: it says itself in how many seconds. */
async function ask(path, options = {}) {
  for (let tries = 1; ; tries += 1) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal(0, "unreachable", texts.unreachable);
    }
    if (response.ok) return response;
    const wait = Number(response.headers.get("Retry-After"));
    if (!wait || wait > LONGEST_WAIT || tries === TRIES) throw await refusal(response);
    say(texts.busy(wait));
    await pause(wait);
    options.signal?.throwIfAborted();
  }
}

function query(settings) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(settings)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, value);
  }
  return parameters.toString();
}

const asJson = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body, (_, value) => (value === null ? undefined : value)),
});

const asBytes = (method, file) => ({
  method,
  headers: { "Content-Type": file.type || "application/octet-stream" },
  body: file,
});

const blob = async (response) => (await response).blob();
const json = async (response) => (await response).json();

export const describe = () => json(ask("api/presets"));

// === Photographs, which the server holds in memory ===

export const upload = (file) => json(ask("api/photographs", asBytes("POST", file)));
export const look = (id) => json(ask(`api/photographs/${id}`));
export const forget = (id) => ask(`api/photographs/${id}`, { method: "DELETE", keepalive: true });
export const setReference = (id, file) => ask(`api/photographs/${id}/reference`, asBytes("PUT", file));

export const original = (id, longest, signal) =>
  blob(ask(`api/photographs/${id}/original?${query({ longest })}`, { signal }));

/** The colorized picture, reduced. Hints can be many, so that they travel in a body. */
export function preview(id, settings, longest, signal) {
  const { hints, ...rest } = settings;
  if (hints) return blob(ask(`api/photographs/${id}/fix`, { ...asJson({ ...settings, longest }), signal }));
  return blob(ask(`api/photographs/${id}/preview?${query({ ...rest, longest })}`, { signal }));
}

export async function confidence(id, preset, longest, signal) {
  const response = await ask(`api/photographs/${id}/confidence?${query({ preset, longest })}`, { signal });
  return { map: await response.blob(), mean: Number(response.headers.get("Colorzoo-Mean-Confidence")) };
}

export function palette(id, x, y, settings, signal) {
  const { preset, look, temperature } = settings;
  return json(ask(`api/photographs/${id}/palette?${query({ x, y, preset, look, temperature })}`, { signal }));
}

export const result = (id, settings) => blob(ask(`api/photographs/${id}/result`, asJson(settings)));
export const collage = (photographs, layout) => blob(ask("api/collage", asJson({ photographs, layout })));

// === Films, which wait in a queue ===

export const startFilm = (file, settings) =>
  json(ask(`api/jobs?${query({ kind: "film", ...settings })}`, asBytes("POST", file)));
export const cancelFilm = (id) => ask(`api/jobs/${id}`, { method: "DELETE", keepalive: true });

/** Calls `told` with each state of a job; resolves with the last one. */
export function follow(job, told) {
  return new Promise((resolve, reject) => {
    const events = new EventSource(job.events);
    events.onmessage = (event) => {
      const state = JSON.parse(event.data);
      told(state);
      if (!["done", "failed", "cancelled"].includes(state.state)) return;
      events.close();
      resolve(state);
    };
    events.onerror = () => {
      if (events.readyState === EventSource.CLOSED) reject(new Refusal(0, "unreachable", texts.unreachable));
    };
  });
}
