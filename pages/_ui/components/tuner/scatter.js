// Every image at the sensitivity that first flags it, above the slider: as a histogram, good up and defect down, or as
// one row of ticks for each defect kind. What lies left of the line is flagged. Images that no setting flags stand at
// the right end.

import { placeOf } from "../shared/stops.js";
import { emptied } from "./sheet.js";

const SCATTER_BINS = 100;
const LABEL_FONT = 10;

export function createScatter(canvas, data, counts, logitSpan) {
  const kinds = [...new Set(data.images.map(({ kind }) => kind))];
  const good = kinds.filter((kind) => data.images.some((image, i) => image.kind === kind && !data.labels[i]));
  const rows = [...good, ...kinds.filter((kind) => !good.includes(kind)).sort()];
  const rowOf = data.images.map(({ kind }) => rows.indexOf(kind));

  function draw(where, { logit_scale: onLogitScale, by_kind: byKind }, colors) {
    const sheet = emptied(canvas);
    if (!sheet) return;
    const first = counts.imageStops(where);
    const axis = Float64Array.from(data.sensitivities, (stop) => placeOf(stop, onLogitScale, logitSpan));
    const places = new Float64Array(first.length).fill(1);
    for (let i = 0; i < first.length; i++) if (first[i] < counts.stops) places[i] = axis[first[i]];
    if (byKind) drawRows(sheet, places, colors);
    else drawBars(sheet, places, colors);
  }

  function drawBars({ context, width, height, ratio }, places, colors) {
    const bars = [new Float64Array(SCATTER_BINS), new Float64Array(SCATTER_BINS)];
    for (let i = 0; i < places.length; i++)
      bars[data.labels[i]][Math.min(SCATTER_BINS - 1, Math.floor(places[i] * SCATTER_BINS))] += 1;
    const most = Math.log1p(Math.max(...bars[0], ...bars[1], 1));
    const middle = Math.round(height / 2);
    context.fillStyle = colors.axis;
    context.fillRect(0, middle, width, ratio);
    bars.forEach((bins, label) => {
      context.fillStyle = label ? colors.defect : colors.good;
      bins.forEach((count, bin) => {
        if (!count) return;
        const left = Math.round((bin / SCATTER_BINS) * width);
        const right = Math.round(((bin + 1) / SCATTER_BINS) * width);
        const length = Math.max(2 * ratio, Math.round(((middle - ratio) * Math.log1p(count)) / most));
        context.fillRect(left, label ? middle + ratio : middle - length, Math.max(1, right - left - ratio), length);
      });
    });
  }

  function drawRows({ context, width, height, ratio }, places, colors) {
    const step = height / rows.length;
    context.font = `${LABEL_FONT * ratio}px ${colors.font}`;
    context.textBaseline = "middle";
    rows.forEach((_, row) => {
      context.fillStyle = colors.axis;
      context.fillRect(0, Math.round((row + 1) * step) - 1, width, 1);
    });
    const tick = Math.max(1, Math.round(1.5 * ratio));
    places.forEach((place, i) => {
      const row = rowOf[i];
      context.fillStyle = data.labels[i] ? colors.defect : colors.good;
      const left = Math.min(width - tick, Math.round(place * width - tick / 2));
      context.fillRect(left, Math.round(row * step + step * 0.2), tick, Math.round(step * 0.6));
    });
    rows.forEach((kind, row) => {
      const name = kind || "unlabelled";
      const wide = context.measureText(name).width;
      context.fillStyle = colors.paper;
      context.globalAlpha = 0.75;
      context.fillRect(width - wide - 6 * ratio, row * step + 1, wide + 6 * ratio, step - 2);
      context.globalAlpha = 1;
      context.fillStyle = colors.text;
      context.fillText(name, width - wide - 3 * ratio, (row + 0.5) * step);
    });
  }

  return { draw, rows: rows.length };
}
