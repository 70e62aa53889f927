// What a mask and a map score against the ground truth. A score that is not defined is null, never 0; the reason
// stands beside it.

import { placeOf } from "../shared/stops.js";

/**
 * @typedef {{ tp: number, fp: number, fn: number, tn: number }} Confusion
 * @typedef {{ value: number | null, reason: string }} Score
 */

export const NO_TRUTH = "This image has no ground truth";
const NO_DEFECT = "Undefined: no defect pixel in this image";
const NO_GOOD = "Undefined: no good pixel in this image";
const NOTHING_FLAGGED = "Undefined: the mask is empty";

/**
 * Pixels by (flagged, defect); null without ground truth. `sums` are prefix sums of the truth, see prefixSums.
 *
 * @param {Omit<import("./morphology.js").Runs, "owners">} runs
 * @param {number} width
 * @param {Int32Array | null} sums
 * @returns {Confusion | null}
 */
export function confusionOf(runs, width, sums) {
  if (!sums) return null;
  let truePositives = 0;
  let flagged = 0;
  for (let i = 0; i < runs.count; i++) {
    const row = runs.rows[i] * width;
    truePositives += sums[row + runs.ends[i]] - sums[row + runs.starts[i]];
    flagged += runs.ends[i] - runs.starts[i];
  }
  const pixels = sums.length - 1;
  const defects = sums[pixels];
  const falsePositives = flagged - truePositives;
  const falseNegatives = defects - truePositives;
  return { tp: truePositives, fp: falsePositives, fn: falseNegatives, tn: pixels - flagged - falseNegatives };
}

/**
 * sums[i] = defect pixels before pixel i.
 *
 * @param {Uint8Array} truth
 */
export function prefixSums(truth) {
  const sums = new Int32Array(truth.length + 1);
  for (let i = 0; i < truth.length; i++) sums[i + 1] = sums[i] + truth[i];
  return sums;
}

/**
 * F1, precision, recall and IoU of the mask, each as { value, reason }; null where the denominator is 0.
 *
 * @param {Confusion | null} confusion
 * @returns {Record<"f1" | "precision" | "recall" | "iou", Score>}
 */
export function maskScores(confusion) {
  if (!confusion) {
    const none = { value: null, reason: NO_TRUTH };
    return { f1: none, precision: none, recall: none, iou: none };
  }
  const { tp, fp, fn } = confusion;
  /** @type {(part: number, whole: number, reason: string) => Score} */
  const ratio = (part, whole, reason) => (whole > 0 ? { value: part / whole, reason: "" } : { value: null, reason });
  return {
    f1: ratio(2 * tp, 2 * tp + fp + fn, NO_DEFECT),
    precision: ratio(tp, tp + fp, NOTHING_FLAGGED),
    recall: ratio(tp, tp + fn, NO_DEFECT),
    iou: ratio(tp, tp + fp + fn, NO_DEFECT),
  };
}

/**
 * The exact area under the ROC curve of a map's pixels, ties counted half, as { value, reason }.
 *
 * Non-negative floats order like their bits, so (bits, label) packed into one integer and sorted by radix puts the
 * pixels in order with their labels. −∞ (a kernel larger than the picture) stands everywhere or nowhere: one tie.
 *
 * @param {Float32Array} values
 * @param {Uint8Array | null} truth
 * @returns {Score}
 */
export function aurocOf(values, truth) {
  if (!truth) return { value: null, reason: NO_TRUTH };
  const keys = new Uint32Array(values.length);
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < keys.length; i++) keys[i] = (Math.max(bits[i], 0) << 1) | truth[i];
  const sorted = radixSort(keys);
  let good = 0; // pixels below the present value
  let defects = 0;
  let doubledArea = 0; // twice the number of (good, defect) pairs in the right order, ties counting one
  for (let start = 0; start < sorted.length; ) {
    const value = sorted[start] >>> 1;
    let tiedGood = 0;
    let tiedDefects = 0;
    for (; start < sorted.length && sorted[start] >>> 1 === value; start++) {
      if (sorted[start] & 1) tiedDefects += 1;
      else tiedGood += 1;
    }
    doubledArea += tiedDefects * (2 * good + tiedGood);
    good += tiedGood;
    defects += tiedDefects;
  }
  if (defects === 0) return { value: null, reason: NO_DEFECT };
  if (good === 0) return { value: null, reason: NO_GOOD };
  return { value: doubledArea / (2 * good * defects), reason: "" };
}

/**
 * Ascending; three passes of 11 bits.
 *
 * @param {Uint32Array<ArrayBuffer>} keys
 */
function radixSort(keys) {
  let from = keys;
  let to = new Uint32Array(keys.length);
  for (const shift of [0, 11, 22]) {
    const ends = new Uint32Array(2048);
    for (let i = 0; i < from.length; i++) ends[(from[i] >>> shift) & 2047] += 1;
    for (let digit = 0, before = 0; digit < 2048; digit++) {
      const count = ends[digit];
      ends[digit] = before;
      before += count;
    }
    for (let i = 0; i < from.length; i++) to[ends[(from[i] >>> shift) & 2047]++] = from[i];
    [from, to] = [to, from];
  }
  return from;
}

const HISTOGRAM_BINS = 128;

/**
 * Pixels of the map by value, good and defect apart (all good without ground truth), values rising with the bin.
 *
 * @param {Float32Array} values
 * @param {Uint8Array | null} truth
 * @param {boolean} onLogitScale
 * @param {number} logitSpan
 */
export function histogramOf(values, truth, onLogitScale, logitSpan) {
  const good = new Uint32Array(HISTOGRAM_BINS);
  const defects = new Uint32Array(HISTOGRAM_BINS);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.min(HISTOGRAM_BINS - 1, Math.floor(placeOf(values[i], onLogitScale, logitSpan) * HISTOGRAM_BINS));
    if (truth?.[i]) defects[bin] += 1;
    else good[bin] += 1;
  }
  return { good, defects };
}
