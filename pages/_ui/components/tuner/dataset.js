// One dataset as the tuner knows it: the tables of counts that the payload's differences stand for. Knows no element.

import { unpack } from "../shared/unpack.js";

/**
 * @typedef {object} Dataset
 * @property {string} digest
 * @property {string} title
 * @property {number[]} shape kernels, areas, stops
 * @property {number[]} kernelSizes
 * @property {number[]} minAreas
 * @property {number} defectTotal pixels
 * @property {number} goodTotal pixels
 * @property {number} fprLimit
 * @property {{ name: string, kind: string, thumbnail: string }[]} images
 * @property {Record<string, number | null>[]} metrics of each kernel
 * @property {Float64Array} sensitivities
 * @property {Int32Array | Float64Array} defectPixels (kernel, area, stop + 1), as are the next three
 * @property {Int32Array | Float64Array} goodPixels
 * @property {Int32Array} falseBlobs
 * @property {Float64Array} overlap
 * @property {Uint16Array} imageStops (kernel, area, image)
 * @property {Uint16Array} regionStops (kernel, area, region)
 * @property {Int32Array} regionImages
 * @property {Uint8Array} labels 0 good, 1 defect
 */

/**
 * Everything that the browser knows of one dataset.
 *
 * @param {Uint8Array} bytes
 * @returns {Promise<Dataset>}
 */
export async function unpackDataset(bytes) {
  const { header, arrays } = unpack(bytes);
  const stream = new Blob([arrays.tables.values]).stream().pipeThrough(new DecompressionStream("deflate"));
  const tables = unpack(new Uint8Array(await new Response(stream).arrayBuffer())).arrays;
  const values = Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.values]));
  const [kernels, areas, columns] = tables.defectPixels.shape;
  const shape = [kernels, areas, columns - 1];
  return {
    ...header,
    ...values,
    shape,
    defectPixels: sumUp(values.defectPixels, shape),
    goodPixels: sumUp(values.goodPixels, shape),
    falseBlobs: sumUp(values.falseBlobs, shape),
    overlap: sumUp(values.overlap, shape),
  };
}

/**
 * Differences (kernel, area, stop + 1) become counts: summed over all larger areas, and along the stops. In place.
 *
 * @template {Int32Array | Float64Array} Table
 * @param {Table} table
 * @param {number[]} shape kernels, areas, stops
 */
export function sumUp(table, [kernels, areas, stops]) {
  const columns = stops + 1;
  for (let kernel = 0; kernel < kernels; kernel++) {
    const first = kernel * areas * columns;
    for (let at = first + (areas - 1) * columns - 1; at >= first; at--) table[at] += table[at + columns];
    for (let row = first; row < first + areas * columns; row += columns)
      for (let stop = 1; stop < columns; stop++) table[row + stop] += table[row + stop - 1];
  }
  return table;
}
