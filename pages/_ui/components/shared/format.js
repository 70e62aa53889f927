// Numbers as the viewer writes them; "–" for what is not defined. Pure.

import { logit } from "./scale.js";

export const UNDEFINED = "–";
export const MINUS = "−";

const countFormat = new Intl.NumberFormat("en-US", { useGrouping: true });

/** @param {number | null} [count] */
export function formatCount(count) {
  return count === undefined || count === null ? UNDEFINED : countFormat.format(count).replaceAll(",", "\u202f");
}

/**
 * Four decimals; near 0 and 1, where DRAEM's probabilities crowd, as many as tell the value from the end.
 *
 * @param {number} value
 */
export function formatProbability(value) {
  const gap = Math.min(value, 1 - value);
  if (gap === 0 || gap >= 0.001) return value.toFixed(4);
  if (value < 0.5) return value.toExponential(1).replace("-", MINUS);
  return value.toFixed(Math.min(9, 1 - Math.floor(Math.log10(gap))));
}

/** @param {number} probability */
export function formatLogit(probability) {
  const value = logit(probability);
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  return value.toFixed(2).replace("-", MINUS);
}

/** @param {number} share */
export function formatPercent(share) {
  if (share === 0) return "0 %";
  if (share < 0.0001) return "< 0.01 %";
  return `${(100 * share).toFixed(2)} %`;
}

/** @param {number | null} value */
export function formatScore(value) {
  return value === null ? UNDEFINED : value.toFixed(4);
}

/**
 * A sensitivity as a number field shows it: every digit that counts, none that does not.
 *
 * @param {number} value
 */
export function formatSensitivity(value) {
  return String(Number(value.toFixed(9)));
}
