// ROC, precision–recall and PRO curves of the present kernel and area, with the present point on them. The curves are
// drawn where kernel or area change; the point is an element that moves over them.

import { emptied } from "./sheet.js";

const CURVE_MARGIN = 5; // px, as in tuner.css

const CURVES = [
  { id: "imageRoc", x: "imageAlarms", y: "imageRecall", from: "corner" },
  { id: "imagePr", x: "imageRecall", y: "imagePrecision" },
  { id: "pixelPr", x: "pixelRecall", y: "pixelPrecision" },
  { id: "pro", x: "pixelAlarms", y: "overlap", from: "corner", isLimited: true },
];

/** `fprLimit`: the largest share of false alarms that the PRO curve is drawn to. */
export function createCurves(root, counts, fprLimit) {
  let known = null; // rates of the kernel and area drawn last
  const plots = CURVES.map((curve) => ({
    ...curve,
    limit: curve.isLimited ? fprLimit : 1,
    canvas: root.querySelector(`[data-curve=${curve.id}]`),
    point: root.querySelector(`[data-point=${curve.id}]`),
  }));

  function ratesAt(where) {
    if (known?.row !== where.row) known = { row: where.row, rates: counts.curves(where) };
    return known.rates;
  }

  function draw(where, colors) {
    const rates = ratesAt(where);
    for (const { canvas, x, y, from, limit } of plots) {
      const sheet = emptied(canvas);
      if (!sheet) continue;
      const { context, width, height, ratio } = sheet;
      const margin = CURVE_MARGIN * ratio;
      const toX = (value) => margin + (Math.min(value, limit) / limit) * (width - 2 * margin);
      const toY = (value) => height - margin - value * (height - 2 * margin);
      context.strokeStyle = colors.axis;
      context.lineWidth = ratio;
      context.strokeRect(toX(0), toY(1), toX(limit) - toX(0), toY(0) - toY(1));
      context.beginPath();
      context.moveTo(toX(0), toY(0.5));
      context.lineTo(toX(limit), toY(0.5));
      context.moveTo(toX(limit / 2), toY(0));
      context.lineTo(toX(limit / 2), toY(1));
      context.globalAlpha = 0.5;
      context.stroke();
      context.globalAlpha = 1;
      trace(context, rates[x], rates[y], { toX, toY, from, limit });
      context.strokeStyle = colors.faint;
      context.lineWidth = 1.8 * ratio;
      context.lineJoin = "round";
      context.stroke();
    }
  }

  /** Move the points; returns where they are, by curve, for the captions. */
  function movePoints(where) {
    const rates = ratesAt(where);
    const places = {};
    for (const { id, point, x, y, limit } of plots) {
      const [atX, atY] = [rates[x][where.stop], rates[y][where.stop]];
      places[id] = [atX, atY];
      point.hidden = !Number.isFinite(atX) || !Number.isFinite(atY);
      if (point.hidden) continue;
      point.style.setProperty("--x", Math.min(atX, limit) / limit);
      point.style.setProperty("--y", atY);
    }
    return places;
  }

  return { draw, movePoints };
}

/**
 * Draw a curve by its rates `xs` and `ys`, NaN where there is none; `toX` and `toY` say where they lie. It begins in the
 * corner where `from` says so, and ends where xs passes `limit`.
 */
export function trace(context, xs, ys, { toX, toY, from, limit }) {
  let [lastX, lastY] = [NaN, NaN]; // the point before, as rates
  let [drawnX, drawnY] = [NaN, NaN]; // where the pen is
  const lineTo = (x, y, isLast) => {
    const [atX, atY] = [toX(x), toY(y)];
    if (!isLast && Math.abs(atX - drawnX) + Math.abs(atY - drawnY) < 1) return; // less than a pixel
    context.lineTo(atX, atY);
    [drawnX, drawnY] = [atX, atY];
  };
  context.beginPath();
  if (from === "corner") context.moveTo(toX(0), toY(0));
  for (let i = 0; i < xs.length; i++) {
    const [x, y] = [xs[i], ys[i]];
    if (!Number.isFinite(x) || !Number.isFinite(y) || (x === lastX && y === lastY)) continue;
    if (x > limit) {
      if (lastX <= limit) lineTo(limit, lastY + ((limit - lastX) / (x - lastX)) * (y - lastY), true);
      return;
    }
    lineTo(x, y, false);
    [lastX, lastY] = [x, y];
  }
  if (Number.isFinite(lastX)) lineTo(lastX, lastY, true);
}
