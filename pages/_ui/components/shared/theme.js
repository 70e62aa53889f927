// What canvases and axes share: the theme's colours, and the ticks under a sensitivity slider.

import { MINUS } from "./format.js";

/** The colours that the stylesheets name, for a canvas; asking for them lays the page out. */
export function themeColors(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(name);
  return {
    good: read("--good"),
    defect: read("--defect"),
    axis: read("--line"),
    faint: read("--faint"),
    accent: read("--accent"),
    text: read("--text"),
    paper: read("--st-background-color"),
    font: style.fontFamily,
  };
}

/** Thresholds from left to right under the sensitivity slider; `name` says what they are on a plain axis. */
export function showTicks(root, onLogitScale, name, logitSpan) {
  const ticks = onLogitScale ? [1, 0.5, 0, -0.5, -1].map((share) => share * logitSpan) : [1, 0.75, 0.5, 0.25, 0];
  const texts = ticks.map((tick) => String(tick).replace("-", MINUS).replace("0.", "."));
  texts[0] = `${onLogitScale ? "logit" : name} ${texts[0]}`;
  root
    .querySelector("[data-slot=ticks]")
    .replaceChildren(...texts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
}
