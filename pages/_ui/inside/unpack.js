// The payload's bytes as stages with pictures. Knows the layout that payload.py writes, nothing of what is shown.

import { readHeader } from "../live/header.js";
import { colourTable, drawPixels } from "../live/pixels.js";

/** All that the browser knows of one view: the header, and for each array what draws it on a canvas. */
export function unpackView(bytes) {
  const { header, rest } = readHeader(bytes);
  const scales = Object.fromEntries(Object.entries(header.scales).map(([name, rgb]) => [name, colourTable(rgb)]));
  let start = 0;
  const arrays = header.arrays.map(([height, width, length]) => {
    const pixels = rest.slice(start, start + length);
    start += length + (-length & 3);
    return { height, width, pixels };
  });
  const [base, ...others] = arrays;
  const count = header.stages.length;
  const opened = header.stages.find(({ name }) => name === header.opened.stage);
  return {
    ...header,
    base: () => canvasOf(base, null),
    stages: header.stages.map((stage, i) => ({ ...stage, draw: () => canvasOf(others[i], scales[stage.scale]) })),
    channels: header.opened.channels.map((channel, i) => ({
      channel,
      draw: () => canvasOf(others[count + i], scales[opened.scale]),
    })),
  };
}

function canvasOf(array, table) {
  const canvas = document.createElement("canvas");
  drawPixels(canvas, array, table);
  return canvas;
}
