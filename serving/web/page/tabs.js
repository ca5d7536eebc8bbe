// The tabs of the panel.

import { find } from "./dom.js";
import { rove, stopAt } from "./roving.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

/** @param {function(string)} opened is told the name of the tab, such as "fix" */
export function listen(opened) {
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      for (const each of tabs) {
        each.setAttribute("aria-selected", String(each === tab));
        find(each.getAttribute("aria-controls")).hidden = each !== tab;
      }
      stopAt(tabs, tab);
      opened(tab.id.replace("tab-", ""));
    });
  }
  rove(tabs[0].parentElement, true);
}
