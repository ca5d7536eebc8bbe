// One stop of the Tab key for a group of buttons, between which the arrow keys move: tabs, thumbnails, colors.

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Makes one of the buttons the stop. */
export function stopAt(buttons, stop) {
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
}

/**
 * @param {HTMLElement} group
 * @param {boolean} activates whether a button is pressed as soon as it is reached
 */
export function rove(group, activates = false) {
  group.addEventListener("keydown", (event) => {
    const buttons = [...group.querySelectorAll("button:not([hidden])")];
    const place = buttons.indexOf(event.target);
    if (place < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const last = buttons.length - 1;
    let next;
    if (event.key in STEPS) next = (place + STEPS[event.key] + buttons.length) % buttons.length;
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = last;
    else return;
    event.preventDefault();
    stopAt(buttons, buttons[next]);
    buttons[next].focus();
    if (activates) buttons[next].click();
  });
}
