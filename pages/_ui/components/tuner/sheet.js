// What the drawings share: a canvas to draw on.

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
