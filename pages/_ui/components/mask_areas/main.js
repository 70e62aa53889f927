// The histogram of mask areas, with the median's and the present sample's place. Knows no server.

import { svg } from "../shared/svg.js";
import { showWords } from "../shared/words.js";

const PLOT = { width: 900, height: 150, left: 8, right: 8, top: 18, bottom: 30 };

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".draem-areas");
  showWords(root, data.words);
  root.querySelector("[data-slot=told]").textContent = data.told;
  root.querySelector("[data-slot=plot]").replaceChildren(plot(data));
}

function plot({ bars, ends, bar_words: barWords, median, present, words, told: ariaLabel }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const most = Math.max(...bars);
  const x = (share) => left + (width - left - right) * Math.min(1, share / ends.at(-1));
  const y = (count) => height - bottom - (height - top - bottom) * (count / most);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": ariaLabel });
  bars.forEach((count, i) => {
    const bar = svg("rect", { class: "area", x: x(ends[i]) + 1, y: y(count), height: y(0) - y(count), rx: 1 });
    bar.setAttribute("width", x(ends[i + 1]) - x(ends[i]) - 2);
    bar.append(svg("title", {}, barWords[i]));
    drawing.append(bar);
  });
  drawing.append(svg("path", { class: "axis", d: `M${left} ${y(0)}H${width - right}` }));
  for (const share of [0, 0.25, 0.5, 0.75, 1].map((part) => part * ends.at(-1)))
    drawing.append(label(x(share), height - 16, `${(100 * share).toFixed(1)} %`, share));
  drawing.append(svg("text", { x: width / 2, y: height - 2, "text-anchor": "middle" }, words.axis));
  drawing.append(mark("median", x(median)), label(x(median), 12, words.median, 0.5));
  if (present !== null) {
    drawing.append(mark("present", x(present)));
    const text = label(x(present), 12, words.this_one, present);
    text.classList.add("present");
    if (Math.abs(x(present) - x(median)) > 90) drawing.append(text);
  }
  return drawing;

  function label(at, height, words, share) {
    const anchor = at < 40 ? "start" : at > width - 60 ? "end" : "middle";
    return svg("text", { x: at, y: height, "text-anchor": share === 0 ? "start" : anchor }, words);
  }

  function mark(name, at) {
    return svg("path", { class: name, d: `M${at} ${top}V${height - bottom}` });
  }
}
