// What one setting does to the dataset: lookups in the tables, and one pass over the images. Knows no element.

import { thresholdOf } from "../shared/scale.js";

/**
 * @typedef {import("../viewer/scores.js").Score} Score
 * @typedef {import("./dataset.js").Dataset} Dataset
 * @typedef {Int32Array | Float64Array} Table
 * @typedef {{ stop: number, kernel: number, area: number, row: number }} Place in the tables; row: of kernel and area
 */

export const NO_DEFECT_IMAGES = "Undefined: there is no defect image";
export const NO_GOOD_IMAGES = "Undefined: there is no good image";
export const NO_MASKS = "Undefined: no image has a ground-truth mask";
const NONE_FLAGGED = "Undefined: nothing is flagged";

/** @param {Dataset} data */
export function createCounts(data) {
  const [, areas, stops] = data.shape;
  const columns = stops + 1;
  const images = data.labels.length;
  const regions = data.regionImages.length;
  const defects = data.labels.reduce((sum, label) => sum + label, 0);
  const thresholds = data.sensitivities.map(thresholdOf);

  /** @param {number} sensitivity */
  function nearestStop(sensitivity) {
    let low = 0;
    let high = stops - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.sensitivities[middle] < sensitivity) low = middle + 1;
      else high = middle;
    }
    const before = data.sensitivities[Math.max(0, low - 1)];
    return sensitivity - before <= data.sensitivities[low] - sensitivity ? Math.max(0, low - 1) : low;
  }

  /** @param {number} area */
  function nearestArea(area) {
    return data.minAreas.reduce(
      (best, one, i) => (Math.abs(one - area) < Math.abs(data.minAreas[best] - area) ? i : best),
      0,
    );
  }

  /**
   * Where a setting lies in the tables.
   *
   * @param {number} sensitivity
   * @param {number} kernelSize
   * @param {number} minArea
   * @returns {Place}
   */
  function place(sensitivity, kernelSize, minArea) {
    const kernel = Math.max(0, data.kernelSizes.indexOf(kernelSize));
    const area = nearestArea(minArea);
    const row = kernel * areas + area;
    return { stop: nearestStop(sensitivity), kernel, area, row };
  }

  /**
   * The first stop that flags each image, at a place's kernel and area.
   *
   * @type {(place: Pick<Place, "row">) => Uint16Array}
   */
  const imageStops = ({ row }) => data.imageStops.subarray(row * images, (row + 1) * images);
  /** @type {(place: Pick<Place, "row">) => Uint16Array} */
  const regionStops = ({ row }) => data.regionStops.subarray(row * regions, (row + 1) * regions);
  /** @type {(table: Table, place: Pick<Place, "row">) => Table} */
  const along = (table, { row }) => table.subarray(row * columns, row * columns + stops);

  const RAW = { kernel: 0, area: 0, row: 0 };

  /**
   * @param {Place} where
   * @param {number} unsureStop
   */
  function at(where, unsureStop) {
    const { stop } = where;
    const first = imageStops(where);
    const zones = { ok: [0, 0], unsure: [0, 0], ng: [0, 0] }; // [good, defect]
    for (let i = 0; i < images; i++) {
      const zone = first[i] <= stop ? zones.ng : first[i] <= unsureStop ? zones.unsure : zones.ok;
      zone[data.labels[i]] += 1;
    }
    const [fp, tp] = zones.ng;
    const pixelTp = along(data.defectPixels, where)[stop];
    const pixelFp = along(data.goodPixels, where)[stop];
    const kept = regionStops(where);
    const raw = regionStops(RAW);
    let found = 0;
    let erased = 0;
    for (let i = 0; i < regions; i++) {
      if (kept[i] <= stop) found += 1;
      else if (raw[i] <= stop) erased += 1;
    }
    return {
      ...where,
      threshold: thresholds[stop],
      zones,
      image: { tp, fp, fn: defects - tp, tn: images - defects - fp },
      pixel: { tp: pixelTp, fp: pixelFp, fn: data.defectTotal - pixelTp, tn: data.goodTotal - pixelFp },
      regions: { found, total: regions, erased },
      blobs: { left: along(data.falseBlobs, where)[stop], raw: along(data.falseBlobs, RAW)[stop] },
      metrics: data.metrics[where.kernel],
    };
  }

  /**
   * Rates at every stop for the curves of one kernel and area.
   *
   * @param {Place} where
   */
  function curves(where) {
    const flagged = [new Float64Array(stops), new Float64Array(stops)]; // good, defect
    const first = imageStops(where);
    for (let i = 0; i < images; i++) if (first[i] < stops) flagged[data.labels[i]][first[i]] += 1;
    for (const counts of flagged) for (let i = 1; i < stops; i++) counts[i] += counts[i - 1];
    const tp = along(data.defectPixels, where);
    const fp = along(data.goodPixels, where);
    /** @type {(counts: ArrayLike<number>, total: number) => Float64Array} */
    const share = (counts, total) => {
      const shares = new Float64Array(stops);
      for (let i = 0; i < stops; i++) shares[i] = counts[i] / total;
      return shares;
    };
    /** @type {(hits: ArrayLike<number>, alarms: ArrayLike<number>) => Float64Array} */
    const precision = (hits, alarms) => {
      const shares = new Float64Array(stops);
      for (let i = 0; i < stops; i++) shares[i] = hits[i] / (hits[i] + alarms[i]); // NaN where nothing is flagged
      return shares;
    };
    return {
      imageRecall: share(flagged[1], defects),
      imageAlarms: share(flagged[0], images - defects),
      imagePrecision: precision(flagged[1], flagged[0]),
      pixelRecall: share(tp, data.defectTotal),
      pixelPrecision: precision(tp, fp),
      pixelAlarms: share(fp, data.goodTotal),
      overlap: share(along(data.overlap, where), regions),
    };
  }

  return { place, nearestStop, nearestArea, at, curves, imageStops, regionStops, RAW, images, defects, regions, stops };
}

/**
 * A ratio as { value, reason }; null with the reason where the denominator is 0.
 *
 * @param {number} part
 * @param {number} whole
 * @param {string} reason
 * @returns {Score}
 */
function ratioOf(part, whole, reason) {
  return whole > 0 ? { value: part / whole, reason: "" } : { value: null, reason };
}

/**
 * @param {import("../viewer/scores.js").Confusion} confusion
 * @param {string} noDefect
 * @param {string} noGood
 */
export function scoresOf({ tp, fp, fn, tn }, noDefect, noGood) {
  return {
    f1: ratioOf(2 * tp, 2 * tp + fp + fn, noDefect),
    iou: ratioOf(tp, tp + fp + fn, noDefect),
    precision: ratioOf(tp, tp + fp, NONE_FLAGGED),
    recall: ratioOf(tp, tp + fn, noDefect),
    falseAlarms: ratioOf(fp, fp + tn, noGood),
  };
}
