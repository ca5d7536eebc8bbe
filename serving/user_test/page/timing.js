// Showing pictures for an exact time, in whole frames of the screen.

const nextFrame = () => new Promise(requestAnimationFrame);

// Resolves once a picture can be drawn at once.
export async function load(image, address) {
  image.src = address;
  await image.decode();
}

// Shows one thing after the other for `milliseconds` each -> how long each was shown, or null if the page was out of
// sight meanwhile. `appear(name)` makes the change; "nothing" comes last.
export async function showInTurn(names, milliseconds, appear) {
  let hidden = document.hidden;
  const notice = () => (hidden = true);
  document.addEventListener("visibilitychange", notice);
  try {
    const times = [];
    let start = await nextFrame();
    for (const name of names) {
      appear(name);
      let previous = start;
      let now = start;
      // The change that is made in a frame is seen from then on; so it is made in the frame that is nearest to the end.
      while (now - start + (now - previous) / 2 < milliseconds && !hidden) {
        previous = now;
        now = await Promise.race([nextFrame(), outOfSight()]);
      }
      times.push(now - start);
      start = now;
    }
    return hidden ? null : times;
  } finally {
    appear("nothing");
    document.removeEventListener("visibilitychange", notice);
  }
}

// Frames stop where nobody sees them, which would leave the loop waiting.
function outOfSight() {
  return new Promise((resolve) =>
    document.addEventListener("visibilitychange", () => resolve(performance.now()), { once: true }),
  );
}
