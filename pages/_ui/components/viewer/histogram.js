// The map's pixels by value above the sensitivity slider: good ones up, defects down, counts on a log scale.
// Sensitivity rises to the right, so values fall to the right, and what lies left of the thumb is flagged.

export function drawHistogram(canvas, { good, defects }, colors) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (!width) return;
  Object.assign(canvas, { width, height }); // clears it
  const context = canvas.getContext("2d");
  const most = Math.log1p(Math.max(...good, ...defects));
  const middle = defects.some(Boolean) ? Math.round(height * 0.55) : height - 1;

  const drawBars = (counts, color, room, topOf) => {
    context.fillStyle = color;
    counts.forEach((count, bin) => {
      if (!count) return;
      const left = Math.round((1 - (bin + 1) / counts.length) * width);
      const right = Math.round((1 - bin / counts.length) * width);
      const length = Math.max(ratio, Math.round((room * Math.log1p(count)) / most));
      context.fillRect(left, topOf(length), Math.max(1, right - left - (right - left > 2 ? 1 : 0)), length);
    });
  };
  context.fillStyle = colors.axis;
  context.fillRect(0, middle, width, 1);
  drawBars(good, colors.good, middle, (length) => middle - length);
  drawBars(defects, colors.defect, height - middle - 1, () => middle + 1);
}
