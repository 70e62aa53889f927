// ROC, precision–recall and PRO curves of the present kernel and area, with the present point on them.

const CURVES = [
  { id: "imageRoc", x: "imageAlarms", y: "imageRecall", from: "corner" },
  { id: "imagePr", x: "imageRecall", y: "imagePrecision" },
  { id: "pixelPr", x: "pixelRecall", y: "pixelPrecision" },
  { id: "pro", x: "pixelAlarms", y: "overlap", from: "corner", limit: 0.3 },
];

function createCurves(root, counts) {
  let known = null; // rates of the kernel and area drawn last
  const canvases = CURVES.map((curve) => ({ ...curve, canvas: root.querySelector(`[data-curve=${curve.id}]`) }));

  function ratesAt(where) {
    if (known?.row !== where.row) known = { row: where.row, rates: counts.curves(where) };
    return known.rates;
  }

  function draw(where, colors) {
    const rates = ratesAt(where);
    for (const { canvas, x, y, from, limit = 1 } of canvases) {
      const ratio = window.devicePixelRatio || 1;
      const width = Math.round(canvas.clientWidth * ratio);
      const height = Math.round(canvas.clientHeight * ratio);
      if (!width) continue;
      Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d");
      const margin = 5 * ratio;
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
      context.strokeStyle = colors.line;
      context.lineWidth = 1.8 * ratio;
      context.lineJoin = "round";
      context.stroke();
      const [atX, atY] = [rates[x][where.stop], rates[y][where.stop]];
      if (!Number.isFinite(atX) || !Number.isFinite(atY)) continue;
      context.beginPath();
      context.arc(toX(atX), toY(atY), 4 * ratio, 0, 2 * Math.PI);
      context.fillStyle = colors.accent;
      context.fill();
      context.strokeStyle = colors.paper;
      context.lineWidth = 1.5 * ratio;
      context.stroke();
    }
  }

  /** The point of each curve in words, for the captions. */
  function points(where) {
    const rates = ratesAt(where);
    return Object.fromEntries(CURVES.map(({ id, x, y }) => [id, [rates[x][where.stop], rates[y][where.stop]]]));
  }

  return { draw, points };
}

function trace(context, xs, ys, { toX, toY, from, limit }) {
  context.beginPath();
  if (from === "corner") context.moveTo(toX(0), toY(0));
  let last = [NaN, NaN];
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(xs[i]) || !Number.isFinite(ys[i]) || (xs[i] === last[0] && ys[i] === last[1])) continue;
    if (xs[i] > limit && last[0] <= limit) {
      const share = (limit - last[0]) / (xs[i] - last[0]);
      context.lineTo(toX(limit), toY(last[1] + share * (ys[i] - last[1])));
    }
    if (xs[i] > limit) break;
    context.lineTo(toX(xs[i]), toY(ys[i]));
    last = [xs[i], ys[i]];
  }
}
