// What the drawings share: the sensitivity axis of slider, histogram and threshold lines, with places from 0 (left) to
// 1, and a canvas to draw on.

import { logit, LOGIT_SPAN } from "../live/scale.js";

export function placeOf(sensitivity, onLogitScale) {
  if (!onLogitScale) return sensitivity;
  return Math.min(1, Math.max(0, logit(sensitivity) / (2 * LOGIT_SPAN) + 0.5));
}

/** An empty canvas as sharp as the screen: { context, width, height, ratio }, null where it is not laid out. */
export function emptied(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (!width) return null;
  const context = canvas.getContext("2d");
  if (canvas.width === width && canvas.height === height) context.clearRect(0, 0, width, height);
  else Object.assign(canvas, { width, height });
  return { context, width, height, ratio };
}
