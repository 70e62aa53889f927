// Pixels of a payload on a canvas.

/** The 256 colours of (768) bytes of RGB, as `drawPixels` takes them. */
export function colourTable(rgb) {
  return Uint32Array.from({ length: 256 }, (_, i) => packedColour(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]));
}

/**
 * Put pixels, RGB (h, w, 3) or indices (h, w) into a table of colours, on a canvas, which takes their size.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {import("./unpack.js").Packed<Uint8Array>} picture
 * @param {Uint32Array} [table]
 */
export function drawPixels(canvas, { shape: [height, width], values: pixels }, table) {
  const drawn = new Uint32Array(width * height);
  if (table) for (let i = 0; i < drawn.length; i++) drawn[i] = table[pixels[i]];
  else
    for (let i = 0, at = 0; i < drawn.length; i++, at += 3)
      drawn[i] = packedColour(pixels[at], pixels[at + 1], pixels[at + 2]);
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(drawn.buffer), width, height), 0, 0);
}

function packedColour(red, green, blue) {
  return 0xff000000 | (blue << 16) | (green << 8) | red;
}
