// What the drawings share: the sensitivity axis of slider, histogram and threshold lines, with places from 0 (left) to
// 1, and a canvas to draw on.

function placeOf(sensitivity, onLogitScale) {
  if (!onLogitScale) return sensitivity;
  return Math.min(1, Math.max(0, logit(sensitivity) / (2 * LOGIT_SPAN) + 0.5));
}

/** Names of ticks as thresholds, from left to right. */
function tickNames(onLogitScale) {
  const ticks = onLogitScale ? [16, 8, 0, -8, -16] : [1, 0.75, 0.5, 0.25, 0];
  const names = ticks.map((tick) => String(tick).replace("-", MINUS).replace("0.", "."));
  names[0] = `${onLogitScale ? "logit" : "score"} ${names[0]}`;
  return names;
}

/** An empty canvas as sharp as the screen: { context, width, height, ratio }, null where it is not laid out. */
function emptied(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (!width) return null;
  const context = canvas.getContext("2d");
  if (canvas.width === width && canvas.height === height) context.clearRect(0, 0, width, height);
  else Object.assign(canvas, { width, height });
  return { context, width, height, ratio };
}
