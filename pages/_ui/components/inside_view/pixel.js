// The followed pixel in numbers: its softmax worked out, and what of the image the opened stage sees. Knows no server.

import { formatProbability, MINUS } from "../shared/format.js";
import { filled } from "../shared/words.js";
import { element, formatValue } from "./cards.js";

export function showPixel(root, view, onForget) {
  const box = root.querySelector("[data-slot=pixel]");
  box.hidden = !view.pixel;
  if (!view.pixel) return box.replaceChildren();
  const { words } = view;
  const { row, column, softmax, cell } = view.pixel;
  const head = element("h3", "", filled(words.pixel, { row, column }));
  const forget = Object.assign(element("button", "forget", words.forget), { type: "button", onclick: onForget });
  head.append(forget);
  const higher = Math.max(softmax.good_logit, softmax.anomalous_logit);
  const less = (logit) =>
    `e^(${formatValue(logit)} ${MINUS} ${formatValue(higher).replace(MINUS, "(−") + (higher < 0 ? ")" : "")})`;
  const lines = [
    [
      words.logits,
      filled(words.two_logits, {
        good: formatValue(softmax.good_logit),
        anomalous: formatValue(softmax.anomalous_logit),
      }),
    ],
    [words.good, `${less(softmax.good_logit)} = ${formatValue(softmax.good_exponential)}`],
    [words.anomalous, `${less(softmax.anomalous_logit)} = ${formatValue(softmax.anomalous_exponential)}`],
    [
      words.softmax,
      `${formatValue(softmax.anomalous_exponential)} / (${formatValue(softmax.good_exponential)} + ` +
        `${formatValue(softmax.anomalous_exponential)}) = ${formatProbability(softmax.probability)}`,
    ],
    [words.sees, seenText(view, cell)],
  ];
  const list = element("dl", "");
  for (const [term, text] of lines) list.append(element("dt", "", term), element("dd", "", text));
  box.replaceChildren(head, list);
}

function seenText({ pixel: { box }, grid, opened, stages, words }, [row, column]) {
  const { title } = stages.find(({ name }) => name === opened.stage);
  if (!box) return filled(words.sees_nothing, { title });
  const [size, all] = [box, grid].map(({ width, height }) => `${width} × ${height}`);
  return filled(size === all ? words.sees_all : words.sees_part, { title, row, column, size, all });
}
