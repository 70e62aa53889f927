// Layers × epochs as a heatmap of weight spread or gradient norm: of each layer's change since the first epoch, on a
// fixed scale around 1, or of the value itself, on a log scale that all layers share. The cells are drawn once for a
// size, choice and theme; the epoch's frame on each frame.

import { UNDEFINED } from "../shared/format.js";
import { shortNumber } from "./chart.js";

const HEAT_ROW = 16; // px a layer, high enough for its name
const CHANGE_FULL = { std: 1, gradient_norm: 4 }; // |log2 of the change| that has a scale's end: 2 and 16 times
const FELL = [33, 102, 172];
const ROSE = [178, 24, 43];

export function createHeat(root, run) {
  const canvas = root.querySelector("[data-slot=heat]");
  const names = root.querySelector("[data-slot=layers]");
  const scale = root.querySelector("[data-slot=heatScale]");
  const probe = root.querySelector("[data-slot=heatProbe]");
  const fold = root.querySelector(".heat");
  fold.hidden = !run.layers.std && !run.layers.gradient_norm;
  let drawn = null; // { key, backdrop, layers }

  canvas.onpointermove = (event) => drawn && tell(event, drawn);
  canvas.onpointerleave = () => (probe.textContent = "");

  function colorAt(byte) {
    return `rgb(${run.colormap.slice(3 * byte, 3 * byte + 3).join(",")})`;
  }

  /** The colour of a change in [-1, 1]: from blue over the page's own colour to red. */
  function changeColor(change, paper) {
    const end = change < 0 ? FELL : ROSE;
    const part = Math.sqrt(Math.abs(change)); // so that small changes are seen, too
    return `rgb(${paper.map((value, i) => Math.round(value + part * (end[i] - value))).join(",")})`;
  }

  /** How a choice is drawn: { place(ofLayer, value) in [0, 1] or null, color(place), ends }. */
  function scaleOf(layers, measure, against, colors) {
    if (against === "first") {
      const full = CHANGE_FULL[measure];
      const paper = rgbOf(colors.paper);
      const place = (ofLayer, value) => {
        const first = ofLayer.find((one) => one !== null);
        if (!(value > 0) || !(first > 0)) return value === 0 && first > 0 ? 0 : null;
        return Math.min(1, Math.max(0, 0.5 + Math.log2(value / first) / full / 2));
      };
      const times = 2 ** full;
      return {
        place,
        color: (at) => changeColor(2 * at - 1, paper),
        ends: [`1/${times}`, `${times} × the first epoch's`],
      };
    }
    const values = layers.values.flat().filter((value) => value > 0);
    const [low, high] = values.length ? [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))] : [0, 0];
    const place = (_, value) => (value === null ? null : value > 0 ? (Math.log10(value) - low) / (high - low || 1) : 0);
    const color = (at) => colorAt(Math.min(255, Math.floor(at * 256)));
    return { place, color, ends: [shortNumber(10 ** low), `${shortNumber(10 ** high)}, log scale`] };
  }

  function draw(epoch, { measure, against }, colors) {
    const layers = run.layers[measure];
    if (!fold.open) return;
    names.parentElement.hidden = !layers;
    if (!layers) {
      drawn = null;
      scale.textContent = "This run has no such values.";
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    if (!width) return;
    const key = `${measure} ${against} ${width} ${colors.axis}`;
    if (drawn?.key !== key) {
      const chosen = scaleOf(layers, measure, against, colors);
      drawn = { key, layers, against, backdrop: drawBackdrop(layers, chosen, width, ratio, colors) };
    }
    const context = canvas.getContext("2d");
    context.drawImage(drawn.backdrop, 0, 0);
    const now = layers.epochs.indexOf(epoch);
    if (now < 0) return;
    const cell = width / layers.epochs.length;
    const [left, right] = [Math.floor(now * cell), Math.ceil((now + 1) * cell)];
    context.lineWidth = 2 * ratio;
    for (const [color, inset] of [
      [colors.accent, 1],
      ["#ffffff", 3],
    ]) {
      if (right - left <= 2 * inset * ratio) break; // a narrow cell has no room for the inner line
      context.strokeStyle = color;
      const edge = inset * ratio;
      context.strokeRect(left + edge, edge, right - left - 2 * edge, canvas.height - 2 * edge);
    }
  }

  function drawBackdrop(layers, { place, color, ends }, width, ratio, colors) {
    const rowHeight = HEAT_ROW * ratio;
    const height = Math.round(layers.names.length * rowHeight);
    canvas.style.height = `${layers.names.length * HEAT_ROW}px`;
    Object.assign(canvas, { width, height });
    names.replaceChildren(
      ...layers.names.map((name) =>
        Object.assign(document.createElement("li"), { textContent: shortLayer(name), title: name }),
      ),
    );
    const stops = [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1].map(color);
    fold.style.setProperty("--scale", `linear-gradient(to right, ${stops.join(",")})`);
    scale.replaceChildren(ends[0], document.createElement("i"), ends[1]);
    const backdrop = new OffscreenCanvas(width, height);
    const context = backdrop.getContext("2d");
    const cell = width / layers.epochs.length;
    for (const [layer, ofLayer] of layers.values.entries())
      for (const [index, value] of ofLayer.entries()) {
        const at = place(ofLayer, value);
        context.fillStyle = at === null ? colors.axis : color(at);
        const left = Math.floor(index * cell);
        context.fillRect(left, Math.round(layer * rowHeight), Math.ceil(cell), Math.round(rowHeight) - 1);
      }
    return backdrop;
  }

  function tell(event, { layers, against }) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const place = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const index = place((event.clientX - left) / width, layers.epochs.length);
    const at = place((event.clientY - top) / height, layers.names.length);
    const value = layers.values[at][index];
    const first = layers.values[at].find((one) => one !== null);
    const times =
      against === "first" && first > 0
        ? `, ${shortNumber(value / first)} × the first epoch's ${shortNumber(first)}`
        : "";
    const text = value === null ? UNDEFINED : shortNumber(value) + times;
    probe.textContent = `${shortLayer(layers.names[at])}, epoch ${layers.epochs[index]}: ${text}`;
  }

  return { draw };
}

/** A CSS colour, "#rrggbb" or "rgb(r, g, b)", as numbers. */
function rgbOf(color) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** "reconstructive_subnetwork.encoder.block1.0" as "recon · encoder block1 0". */
function shortLayer(name) {
  return name
    .replace("reconstructive_subnetwork.", "recon · ")
    .replace("discriminative_subnetwork.", "discr · ")
    .replace("encoder_segment.", "enc ")
    .replace("decoder_segment.", "dec ")
    .replace("encoder.", "enc ")
    .replace("decoder.", "dec ")
    .replaceAll(".", " ");
}
