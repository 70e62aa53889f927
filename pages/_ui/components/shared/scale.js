// Sensitivity, threshold and logit. Pure.

/**
 * The float32 that a pixel must exceed; Python's np.float32(1 - sensitivity).
 *
 * @param {number} sensitivity
 */
export function thresholdOf(sensitivity) {
  return Math.fround(1 - sensitivity);
}

/** @param {number} probability */
export function logit(probability) {
  return Math.log(probability) - Math.log1p(-probability);
}
