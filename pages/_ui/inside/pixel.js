// The followed pixel in numbers: its softmax worked out, and what of the image the opened stage sees. Knows no server.

function showPixel(root, view, onForget) {
  const box = root.querySelector("[data-slot=pixel]");
  box.hidden = !view.pixel;
  if (!view.pixel) return box.replaceChildren();
  const { row, column, softmax, cell } = view.pixel;
  const head = element("h3", "", `Pixel in row ${row}, column ${column}`);
  const forget = Object.assign(element("button", "forget", "stop following"), { type: "button", onclick: onForget });
  head.append(forget);
  const higher = Math.max(softmax.good_logit, softmax.anomalous_logit);
  const less = (logit) => `e^(${formatValue(logit)} ${MINUS} ${formatValue(higher).replace(MINUS, "(−") + (higher < 0 ? ")" : "")})`;
  const lines = [
    ["logits", `good ${formatValue(softmax.good_logit)}, anomalous ${formatValue(softmax.anomalous_logit)}`],
    ["good", `${less(softmax.good_logit)} = ${formatValue(softmax.good_exponential)}`],
    ["anomalous", `${less(softmax.anomalous_logit)} = ${formatValue(softmax.anomalous_exponential)}`],
    [
      "softmax",
      `${formatValue(softmax.anomalous_exponential)} / (${formatValue(softmax.good_exponential)} + ` +
        `${formatValue(softmax.anomalous_exponential)}) = ${formatProbability(softmax.probability)}`,
    ],
    ["sees", seenText(view, cell)],
  ];
  const list = element("dl", "");
  for (const [term, text] of lines) list.append(element("dt", "", term), element("dd", "", text));
  box.replaceChildren(head, list);
}

function seenText({ pixel: { box }, grid, opened, stages }, [row, column]) {
  const { title } = stages.find(({ name }) => name === opened.stage);
  if (!box) return `${title}: no layer, no receptive field of its own`;
  const isAll = box.width === grid.width && box.height === grid.height;
  const size = isAll ? "the whole image" : `${box.width} × ${box.height} of ${grid.width} × ${grid.height} pixels`;
  return `${title}, cell (${row}, ${column}): its receptive field is ${size}`;
}
