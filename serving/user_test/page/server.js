// The HTTP interface of the server, and the token by which a participant goes on after a reload.

const KEY = "colorzoo-user-test";

export class Refusal extends Error {
  constructor(status) {
    super(`the server answered ${status}`);
    this.status = status;
  }
}

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  if (!response.ok) throw new Refusal(response.status);
  return response.status === 204 ? null : response.json();
}

export const describe = () => ask("api/experiment");
export const begin = (age_group) => ask("api/participants", { consent: true, age_group });
export const look = (participant) => ask(`api/participants/${participant}`);
export const shown = (participant, trial) => ask(`api/participants/${participant}/shown`, { trial });
export const lost = (participant, trial) => ask(`api/participants/${participant}/lost`, { trial });
export const answer = (participant, trial, first, timing) =>
  ask(`api/participants/${participant}/answer`, { trial, first, timing });

// Some browsers refuse storage in private windows; then a reload begins anew.
export function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function remember(participant) {
  try {
    if (participant === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, participant);
  } catch {
    // See above.
  }
}
