// The Inside page's view: what Python tells of it, and for each stage and channel what draws it. Knows no server.

import { colourTable, drawPixels } from "../shared/pixels.js";
import { unpack } from "../shared/unpack.js";

/** All that the browser knows of one view: the header, and for each array what draws it on a canvas. */
export function unpackView(bytes) {
  const { header, arrays } = unpack(bytes);
  const scales = Object.fromEntries(Object.entries(header.scales).map(([name, rgb]) => [name, colourTable(rgb)]));
  const opened = header.stages.find(({ name }) => name === header.opened.stage);
  return {
    ...header,
    base: () => canvasOf(arrays.picture, null),
    stages: header.stages.map((stage) => ({
      ...stage,
      draw: () => canvasOf(arrays[`stage ${stage.name}`], scales[stage.scale]),
    })),
    channels: header.opened.channels.map((channel) => ({
      channel,
      draw: () => canvasOf(arrays[`channel ${channel}`], scales[opened.scale]),
    })),
  };
}

function canvasOf(array, table) {
  const canvas = document.createElement("canvas");
  drawPixels(canvas, array, table);
  return canvas;
}
