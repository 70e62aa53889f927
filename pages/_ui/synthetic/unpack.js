// The payload's bytes as cards with pictures. Knows the layout that payload.py writes, nothing of what is shown.

function unpackView(bytes) {
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

function colourTable(rgb) {
  return Uint32Array.from({ length: 256 }, (_, i) => packed(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]));
}

function packed(red, green, blue) {
  return 0xff000000 | (blue << 16) | (green << 8) | red;
}

/** Put RGB pixels, or indices into a table of colours, on a canvas. */
function drawPixels(canvas, { height, width, pixels }, table) {
  const drawn = new Uint32Array(width * height);
  if (table) for (let i = 0; i < drawn.length; i++) drawn[i] = table[pixels[i]];
  else
    for (let i = 0, at = 0; i < drawn.length; i++, at += 3)
      drawn[i] = packed(pixels[at], pixels[at + 1], pixels[at + 2]);
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(drawn.buffer), width, height), 0, 0);
}
