// Curves over the epochs with a cursor. The curves are drawn once for a size and theme, the cursor on each frame.

import { MINUS, UNDEFINED } from "../shared/format.js";

const LINE_COLORS = ["#0f8fb8", "#e8730c", "#7a5cc9", "#2b9a5b", "#c0398a", "#8a7a00", "#6b7785"];

export function createCharts(root, run, { onEpoch }) {
  const box = root.querySelector("[data-slot=charts]");
  const charts = Object.entries(run.charts.lines).map(([name, lines]) => {
    const figure = document.createElement("figure");
    const caption = Object.assign(document.createElement("figcaption"), { textContent: name });
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name} by epoch`);
    const legend = document.createElement("ul");
    const values = lines.map(({ words }, i) => {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.style.background = LINE_COLORS[i % LINE_COLORS.length];
      const value = document.createElement("b");
      item.append(swatch, words, value);
      legend.append(item);
      return value;
    });
    figure.append(caption, canvas, legend);
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      pick(canvas, event, false);
    };
    canvas.onpointermove = (event) => canvas.hasPointerCapture(event.pointerId) && pick(canvas, event, false);
    canvas.onpointerup = (event) => pick(canvas, event, true);
    return { name, lines, canvas, values, drawn: null };
  });
  box.replaceChildren(...charts.map(({ canvas }) => canvas.parentElement));
  const epochs = run.charts.epochs;
  const [first, last] = [epochs[0], epochs.at(-1)];
  const share = (epoch) => (last > first ? (epoch - first) / (last - first) : 0.5);

  function pick(canvas, event, settled) {
    const { left, width } = canvas.getBoundingClientRect();
    const margin = 4;
    const at = Math.min(1, Math.max(0, (event.clientX - left - margin) / (width - 2 * margin)));
    onEpoch(Math.round(first + at * (last - first)), settled);
  }

  function drawBackdrop(chart, width, height, ratio, colors) {
    const backdrop = new OffscreenCanvas(width, height);
    const context = backdrop.getContext("2d");
    const all = chart.lines.flatMap(({ values }) => values.filter((value) => value !== null));
    const positive = all.filter((value) => value > 0);
    const onLog = chart.name !== "Quality" && positive.length > 0;
    const place = onLog ? Math.log10 : (value) => value;
    let low = onLog ? place(Math.min(...positive)) : Math.min(...all, 0.5);
    let high = onLog ? place(Math.max(...positive)) : 1;
    if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
    const margin = 4 * ratio;
    const toX = (epoch) => margin + share(epoch) * (width - 2 * margin);
    const toY = (value) => height - margin - ((place(value) - low) / (high - low)) * (height - 2 * margin);
    context.strokeStyle = colors.axis;
    context.strokeRect(0.5, 0.5, width - 1, height - 1);
    [...chart.lines.entries()].reverse().forEach(([i, { values }]) => {
      // the first lies on top
      context.beginPath();
      values.forEach((value, at) => {
        if (value === null || (onLog && value <= 0)) return;
        context.lineTo(toX(epochs[at]), toY(value));
      });
      const only = values.findIndex((value) => value !== null);
      if (only >= 0 && only === values.findLastIndex((value) => value !== null) && (!onLog || values[only] > 0))
        context.lineTo(toX(epochs[only]), toY(values[only]));
      context.strokeStyle = LINE_COLORS[i % LINE_COLORS.length];
      context.lineWidth = (i === 0 ? 2 : 1.5) * ratio;
      context.lineJoin = context.lineCap = "round"; // a cap shows a point that stands alone
      context.stroke();
    });
    context.font = `${10 * ratio}px ${colors.font}`;
    context.fillStyle = colors.faint;
    context.strokeStyle = colors.paper;
    context.lineWidth = 4 * ratio;
    for (const [edge, y, baseline] of [
      [high, margin, "top"],
      [low, height - margin, "bottom"],
    ]) {
      const text = shortNumber(onLog ? 10 ** edge : edge);
      context.textBaseline = baseline;
      context.strokeText(text, margin + 2 * ratio, y);
      context.fillText(text, margin + 2 * ratio, y);
    }
    return { backdrop, toX, key: `${width} ${height} ${colors.axis}` };
  }

  function draw(epoch, colors) {
    for (const chart of charts) {
      const ratio = window.devicePixelRatio || 1;
      const width = Math.round(chart.canvas.clientWidth * ratio);
      const height = Math.round(chart.canvas.clientHeight * ratio);
      if (!width) continue;
      if (chart.drawn?.key !== `${width} ${height} ${colors.axis}`) {
        Object.assign(chart.canvas, { width, height });
        chart.drawn = drawBackdrop(chart, width, height, ratio, colors);
      }
      const context = chart.canvas.getContext("2d");
      context.clearRect(0, 0, width, height);
      context.drawImage(chart.drawn.backdrop, 0, 0);
      context.fillStyle = colors.accent;
      context.fillRect(chart.drawn.toX(epoch) - ratio, 0, 2 * ratio, height);
      const at = epochs.indexOf(epoch);
      chart.lines.forEach(({ values }, i) => {
        const text = at < 0 || values[at] === null ? UNDEFINED : shortNumber(values[at]);
        if (chart.values[i].textContent !== text) chart.values[i].textContent = text;
      });
    }
  }

  return { draw };
}

export function shortNumber(value) {
  if (value === 0) return "0";
  return Math.abs(value) < 0.001 ? value.toExponential(1).replace("-", MINUS) : String(Number(value.toPrecision(4)));
}
