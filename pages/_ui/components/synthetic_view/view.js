// One sample as the page knows it: what Python tells of it, and what draws each card's picture. Knows no server.

import { colourTable, drawPixels } from "../shared/pixels.js";
import { unpack } from "../shared/unpack.js";

/** All that the browser knows of one sample; a card's `draw` puts its picture on a canvas. */
export function unpackView(bytes) {
  const { header, arrays } = unpack(bytes);
  const scales = Object.fromEntries(Object.entries(header.scales).map(([name, rgb]) => [name, colourTable(rgb)]));
  const cards = header.cards.map((card) => {
    const picture = arrays[card.key];
    const [height, width] = picture?.shape ?? [0, 0];
    return { ...card, height, width, draw: (canvas) => drawPixels(canvas, picture, scales[card.scale]) };
  });
  return { ...header, cards, bars: header.scales };
}
