// Sensitivity, threshold and the logit axis. Pure.

export const LOGIT_SPAN = 16; // the logit axis runs from −16 to 16: float32 knows no probability between 1 − 1e-7 and 1

/** The float32 that a pixel must exceed; Python's np.float32(1 - sensitivity). */
export function thresholdOf(sensitivity) {
  return Math.fround(1 - sensitivity);
}

export function logit(probability) {
  return Math.log(probability) - Math.log1p(-probability);
}

export function sigmoid(z) {
  return 1 / (1 + Math.exp(-z));
}
