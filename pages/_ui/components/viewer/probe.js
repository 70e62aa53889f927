// The pixel under the pointer in words: one line, and a short text for each panel. Pure.

import { formatLogit, formatProbability } from "../shared/format.js";

export function describeProbe({ u, v }, scene, measured) {
  const { width, height } = scene.grid;
  const column = Math.floor(u * width);
  const row = Math.floor(v * height);
  const at = row * width + column;
  const value = scene.map[at];
  const probability = `p ${formatProbability(value)}`;
  const flagged = isFlagged(measured.runs, column, row);
  const x = Math.floor(u * scene.pictureSize.width);
  const y = Math.floor(v * scene.pictureSize.height);
  const truth = scene.truth ? (scene.truth[at] ? "defect" : "good") : null;
  const shownAt = Math.floor(v * scene.shown.height) * scene.shown.width + Math.floor(u * scene.shown.width);
  const line = [`x ${x}, y ${y}`, `map ${column}, ${row}`, probability, `logit ${formatLogit(value)}`];
  if (truth) line.push(`truth: ${truth}`);
  return {
    line: line.join("  ·  "),
    texts: {
      original: `${probability} · ${rgbAt(scene.picture, shownAt)}`,
      reconstruction: `${probability} · ${rgbAt(scene.reconstruction, at)}`,
      map: `${probability} · logit ${formatLogit(value)}`,
      mask: `${probability} · ${flagged ? "flagged" : "not flagged"}`,
      overlay: `${probability} · ${flagged ? "flagged" : "not flagged"}`,
      difference: `${probability} · ${truth && nameOutcome(flagged, truth === "defect")}`,
    },
  };
}

function nameOutcome(flagged, defect) {
  return `${flagged === defect ? "T" : "F"}${flagged ? "P" : "N"}`;
}

function rgbAt(pixels, at) {
  return `RGB ${pixels.subarray(3 * at, 3 * at + 3).join(" ")}`;
}

function isFlagged({ rows, starts, ends, count }, column, row) {
  for (let i = 0; i < count; i++) if (rows[i] === row && starts[i] <= column && column < ends[i]) return true;
  return false;
}
