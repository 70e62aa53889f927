// The payload's bytes as named typed arrays, and the tables of counts that they stand for. Knows the layout that
// payload.py writes, nothing of what is shown.

import { readHeader } from "../live/header.js";

const ARRAY_TYPES = { int32: Int32Array, float64: Float64Array, uint16: Uint16Array, uint8: Uint8Array };

/** Everything that the browser knows of one dataset. */
export async function unpackDataset(bytes) {
  const { header, rest } = readHeader(bytes);
  const stream = new Blob([rest]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const arrays = {};
  let start = 0;
  for (const [name, type, size, length] of header.arrays) {
    arrays[name] = new ARRAY_TYPES[type](buffer, start, size);
    start += length;
  }
  const shape = [header.kernelSizes.length, header.minAreas.length, arrays.sensitivities.length];
  return {
    ...header,
    ...arrays,
    shape,
    defectPixels: sumUp(arrays.defectPixels, shape),
    goodPixels: sumUp(arrays.goodPixels, shape),
    falseBlobs: sumUp(arrays.falseBlobs, shape),
    overlap: sumUp(arrays.overlap, shape),
  };
}

/** Differences (kernel, area, stop + 1) become counts: summed over all larger areas, and along the stops. In place. */
function sumUp(table, [kernels, areas, stops]) {
  const columns = stops + 1;
  for (let kernel = 0; kernel < kernels; kernel++) {
    const first = kernel * areas * columns;
    for (let at = first + (areas - 1) * columns - 1; at >= first; at--) table[at] += table[at + columns];
    for (let row = first; row < first + areas * columns; row += columns)
      for (let stop = 1; stop < columns; stop++) table[row + stop] += table[row + stop - 1];
  }
  return table;
}
