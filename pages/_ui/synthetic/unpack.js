// The payload's bytes as cards with pictures. Knows the layout that payload.py writes, nothing of what is shown.

import { readHeader } from "../live/header.js";
import { colourTable, drawPixels } from "../live/pixels.js";

export function unpackView(bytes) {
  const { header, rest } = readHeader(bytes);
  const scales = Object.fromEntries(Object.entries(header.scales).map(([name, rgb]) => [name, colourTable(rgb)]));
  let start = 0;
  const cards = header.cards.map((card, i) => {
    const [height, width, length] = header.arrays[i];
    const pixels = rest.subarray(start, start + length);
    start += length + (-length & 3);
    return { ...card, height, width, draw: (canvas) => drawPixels(canvas, { height, width, pixels }, scales[card.scale]) };
  });
  return { ...header, cards, bars: header.scales };
}
