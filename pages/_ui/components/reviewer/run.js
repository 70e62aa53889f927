// One run as the browser knows it: header, sheets decoded when they are first asked for. Knows no element.

import { unpack } from "../shared/unpack.js";

const MEMORY = 384 * 2 ** 20; // bytes of drawn pictures that a run keeps; beyond it the oldest are decoded anew
const DIFFERENCE_FULL = 0.5; // |difference| that has the colour scale's end, the same in every epoch

export function createRun(bytes) {
  const { header, arrays: sheets } = unpack(bytes); // PNG files
  const size = { width: header.side.width * header.probes.length, height: header.side.height };
  const decoded = new Map(); // sheet's name → promise of ImageData
  const drawn = new Map(); // epoch → { reconstruction, difference, map } canvases, once they are there
  const loading = new Map(); // epoch → promise
  const room = Math.max(8, Math.floor(MEMORY / (3 * 4 * size.width * size.height))); // epochs

  function decode(sheet) {
    if (!decoded.has(sheet)) {
      decoded.set(
        sheet,
        createImageBitmap(new Blob([sheets[sheet].values], { type: "image/png" })).then((bitmap) => {
          const canvas = new OffscreenCanvas(size.width, size.height);
          const context = canvas.getContext("2d", { willReadFrequently: true });
          context.drawImage(bitmap, 0, 0);
          return context.getImageData(0, 0, size.width, size.height);
        }),
      );
    }
    return decoded.get(sheet);
  }

  function load(epoch) {
    if (drawn.has(epoch)) return Promise.resolve();
    if (!loading.has(epoch))
      loading.set(
        epoch,
        drawEpoch(epoch).finally(() => loading.delete(epoch)),
      );
    return loading.get(epoch);
  }

  async function drawEpoch(epoch) {
    const names = [`reconstruction ${epoch}`, `map ${epoch}`];
    const [original, reconstruction, map] = await Promise.all(["original", ...names].map(decode));
    for (const name of names) decoded.delete(name);
    drawn.set(epoch, {
      reconstruction: toCanvas(reconstruction),
      difference: toCanvas(coloured(size, header.colormap, (i) => differenceAt(original, reconstruction, i))),
      map: toCanvas(coloured(size, header.colormap, (i) => map.data[4 * i])),
    });
    if (drawn.size > room) drawn.delete(drawn.keys().next().value);
  }

  return {
    ...header,
    size,
    load,
    firstEpochs: header.epochs.slice(0, room - 2), // what is decoded ahead; the two shown may be others
    at: (epoch) => drawn.get(epoch) ?? null,
    async originals() {
      const [original, contours] = await Promise.all(["original", "contours"].map(decode));
      return { original: toCanvas(original), contours: toCanvas(inked(contours)) };
    },
  };
}

/** Mean |difference| of the three channels, as a byte of the colour scale. */
function differenceAt(original, reconstruction, i) {
  let sum = 0;
  for (let channel = 0; channel < 3; channel++)
    sum += Math.abs(original.data[4 * i + channel] - reconstruction.data[4 * i + channel]);
  return Math.min(255, Math.round(sum / 3 / DIFFERENCE_FULL));
}

function coloured({ width, height }, colormap, valueAt) {
  const picture = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const color = 3 * valueAt(i);
    picture.data[4 * i] = colormap[color];
    picture.data[4 * i + 1] = colormap[color + 1];
    picture.data[4 * i + 2] = colormap[color + 2];
    picture.data[4 * i + 3] = 255;
  }
  return picture;
}

/** White lines become cyan ink on nothing. */
function inked(lines) {
  const picture = new ImageData(lines.width, lines.height);
  for (let i = 0; i < lines.width * lines.height; i++)
    if (lines.data[4 * i]) picture.data.set([34, 188, 240, 255], 4 * i);
  return picture;
}

function toCanvas(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}
