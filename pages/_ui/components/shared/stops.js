// Where the sliders that make a mask stop, as sliders.py tells it, and the sensitivity axis that they run on. Pure.

import { logit } from "./scale.js";
import { unpack } from "./unpack.js";

/**
 * @typedef {object} Stops
 * @property {number} logitSpan the logit axis runs from −logitSpan to logitSpan
 * @property {Int32Array} kernelSizes odd, rising
 * @property {Int32Array} minAreas rising from 0
 * @property {Float64Array} evenStops sensitivities, evenly from 0 to 1
 * @property {Float64Array} logitStops sensitivities, evenly along the logit axis
 */

/**
 * @param {Uint8Array} bytes
 * @returns {Stops}
 */
export function unpackStops(bytes) {
  const { header, arrays } = unpack(bytes);
  return {
    logitSpan: header.logitSpan,
    kernelSizes: arrays.kernelSizes.values,
    minAreas: arrays.minAreas.values,
    evenStops: arrays.evenStops.values,
    logitStops: arrays.logitStops.values,
  };
}

/**
 * The index of the step that is nearest to `value`, of two the larger one.
 *
 * @param {Int32Array | Float64Array} steps rising
 * @param {number} value
 */
export function nearestStep(steps, value) {
  const next = steps.findIndex((step) => step >= value);
  if (next <= 0) return next === 0 ? 0 : steps.length - 1;
  return value - steps[next - 1] < steps[next] - value ? next - 1 : next;
}

/**
 * The sensitivity slider's [least, most, step] on its axis.
 *
 * @param {boolean} onLogitScale
 * @param {Stops} stops
 */
export function sensitivityRange(onLogitScale, { logitSpan, logitStops, evenStops }) {
  if (onLogitScale) return [-logitSpan, logitSpan, (2 * logitSpan) / (logitStops.length - 1)];
  return [0, 1, 1 / (evenStops.length - 1)];
}

/**
 * The sensitivity at a position of the slider, which is at one of its steps.
 *
 * @param {number} position
 * @param {boolean} onLogitScale
 * @param {Stops} stops
 */
export function sensitivityAt(position, onLogitScale, stops) {
  const [least, , step] = sensitivityRange(onLogitScale, stops);
  const values = onLogitScale ? stops.logitStops : stops.evenStops;
  return values[Math.min(values.length - 1, Math.max(0, Math.round((position - least) / step)))];
}

/**
 * A sensitivity's place on the slider's axis, from 0 at its left end to 1.
 *
 * @param {number} sensitivity
 * @param {boolean} onLogitScale
 * @param {number} logitSpan
 */
export function placeOf(sensitivity, onLogitScale, logitSpan) {
  if (!onLogitScale) return sensitivity;
  return Math.min(1, Math.max(0, logit(sensitivity) / (2 * logitSpan) + 0.5));
}
