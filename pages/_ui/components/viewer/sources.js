// A scene's arrays as canvases that the panels draw from, each at its own resolution. Knows no panel and no zoom.

import { findRuns, thresholdBitmap } from "./morphology.js";

const FLAGGED = 0xffffffff; // white
const MISSED = 0xffff8f64; // ABGR of #648fff
const FALSE_ALARM = 0xff0061fe; // ABGR of #fe6100; with white the triple stays apart for every kind of colour vision
const HIT = 0xffffffff;
const OUTLINE_RUNS = 20000; // beyond this a mask is noise, and its outline costs more than a frame

export function makeCanvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

function canvasOfPixels(pixels, width, height) {
  const canvas = makeCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  return canvas;
}

function canvasOfRgb(rgb, width, height) {
  const pixels = new Uint32Array(width * height);
  for (let i = 0, at = 0; i < pixels.length; i++, at += 3)
    pixels[i] = 0xff000000 | (rgb[at + 2] << 16) | (rgb[at + 1] << 8) | rgb[at];
  return canvasOfPixels(pixels, width, height);
}

/** The map in the colours of [0, 1]: bin floor(256 p), as matplotlib does. */
function canvasOfMap(map, colormap, width, height) {
  const pixels = new Uint32Array(width * height);
  for (let i = 0; i < pixels.length; i++) {
    const at = 3 * Math.min(255, Math.floor(map[i] * 256));
    pixels[i] = 0xff000000 | (colormap[at + 2] << 16) | (colormap[at + 1] << 8) | colormap[at];
  }
  return canvasOfPixels(pixels, width, height);
}

/** The canvas and its halves, quarters, …: a browser's bilinear filter skips pixels beyond a factor of two. */
function halvings(canvas) {
  const levels = [canvas];
  while (Math.max(canvas.width, canvas.height) > 256) {
    const half = makeCanvas(Math.ceil(canvas.width / 2), Math.ceil(canvas.height / 2));
    half.getContext("2d").drawImage(canvas, 0, 0, half.width, half.height);
    levels.push(half);
    canvas = half;
  }
  return levels;
}

/** The outline of a set of runs along pixel borders, in map pixels; null where it would be too long to draw. */
export function outlineOf({ rows, starts, ends, count }) {
  if (count > OUTLINE_RUNS) return null;
  const path = new Path2D();
  let above = [];
  let row = -2;
  const closeRow = (y, edges) => {
    // sorted ends of both rows pair up to the stretches that only one of the rows covers
    edges.sort((a, b) => a - b);
    for (let i = 0; i < edges.length; i += 2) {
      if (edges[i] === edges[i + 1]) continue;
      path.moveTo(edges[i], y);
      path.lineTo(edges[i + 1], y);
    }
  };
  for (let i = 0; i < count; ) {
    const y = rows[i];
    if (y !== row + 1 && above.length) {
      closeRow(row + 1, above);
      above = [];
    }
    const edges = [];
    for (; i < count && rows[i] === y; i++) {
      edges.push(starts[i], ends[i]);
      for (const x of [starts[i], ends[i]]) {
        path.moveTo(x, y);
        path.lineTo(x, y + 1);
      }
    }
    closeRow(y, [...above, ...edges]);
    above = edges;
    row = y;
  }
  closeRow(row + 1, above);
  return path;
}

export function createSources(scene) {
  const { width, height } = scene.grid;
  const mask = makeCanvas(width, height);
  const difference = makeCanvas(width, height);
  const maskPixels = new Uint32Array(width * height);
  const differencePixels = new Uint32Array(width * height);
  const missed = scene.truth && Uint32Array.from(scene.truth, (defect) => (defect ? MISSED : 0));
  const truthRuns = scene.truth && findRuns(thresholdBitmap(scene.truth, width, height, 0));
  const put = (canvas, pixels) =>
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);

  return {
    picture: halvings(canvasOfRgb(scene.picture, scene.shown.width, scene.shown.height)),
    reconstruction: halvings(canvasOfRgb(scene.reconstruction, width, height)),
    heat: halvings(canvasOfMap(scene.map, scene.colormap, width, height)),
    mask: [mask],
    difference: [difference],
    truthOutline: truthRuns && outlineOf(truthRuns),

    /** White where flagged, clear elsewhere. */
    paintMask(runs) {
      maskPixels.fill(0);
      for (let i = 0; i < runs.count; i++)
        maskPixels.fill(FLAGGED, runs.rows[i] * width + runs.starts[i], runs.rows[i] * width + runs.ends[i]);
      put(mask, maskPixels);
    },

    /** Hits, false alarms and misses; right background stays clear. */
    paintDifference(runs) {
      differencePixels.set(missed);
      for (let i = 0; i < runs.count; i++) {
        const end = runs.rows[i] * width + runs.ends[i];
        for (let at = runs.rows[i] * width + runs.starts[i]; at < end; at++)
          differencePixels[at] = scene.truth[at] ? HIT : FALSE_ALARM;
      }
      put(difference, differencePixels);
    },
  };
}
