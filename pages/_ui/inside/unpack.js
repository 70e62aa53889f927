// The payload's bytes as stages with pictures. Knows the layout that payload.py writes, nothing of what is shown.

/** All that the browser knows of one view: the header, and for each array what draws it on a canvas. */
function unpackView(bytes) {
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

function colourTable(rgb) {
  return Uint32Array.from({ length: 256 }, (_, i) => packed(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]));
}

function packed(red, green, blue) {
  return 0xff000000 | (blue << 16) | (green << 8) | red;
}

/** A canvas of RGB pixels, or of indices into a table of colours. */
function canvasOf({ height, width, pixels }, table) {
  const drawn = new Uint32Array(width * height);
  if (table) for (let i = 0; i < drawn.length; i++) drawn[i] = table[pixels[i]];
  else
    for (let i = 0, at = 0; i < drawn.length; i++, at += 3)
      drawn[i] = packed(pixels[at], pixels[at + 1], pixels[at + 2]);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(drawn.buffer), width, height), 0, 0);
  return canvas;
}
