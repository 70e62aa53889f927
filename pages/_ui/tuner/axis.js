// The sensitivity axis that slider, histogram and threshold lines share: places from 0 (left) to 1. Pure.

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
