import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countBits,
  dropSmallRegions,
  findRegions,
  greyOpening,
  makeBitmap,
  openBitmap,
  runsToMask,
  thresholdBitmap,
} from "../../pages/_ui/components/viewer/morphology.js";
import { generator, picture, text } from "./pictures.js";

/** The bitmap of a picture in which "#" is above the threshold. */
function bitmapOf(lines) {
  const { values, width, height } = picture(lines);
  return thresholdBitmap(values, width, height, 0.5);
}

const linesOf = (bitmap) => text(runsToMask(findRegions(bitmap).runs, bitmap.width, bitmap.height), bitmap.width);

/** Opening by its definition: the union of all size × size squares that lie in the mask and in the picture. */
function openedSlowly(mask, width, height, size) {
  const opened = new Uint8Array(mask.length);
  for (let top = 0; top + size <= height; top++)
    for (let left = 0; left + size <= width; left++) {
      const inside = [];
      for (let y = top; y < top + size; y++) for (let x = left; x < left + size; x++) inside.push(y * width + x);
      if (inside.every((at) => mask[at])) for (const at of inside) opened[at] = 1;
    }
  return opened;
}

/** Grey opening by its definition: each pixel's highest minimum over the squares that hold it. */
function greyOpenedSlowly(values, width, height, size) {
  const opened = new Float32Array(values.length).fill(-Infinity);
  for (let top = 0; top + size <= height; top++)
    for (let left = 0; left + size <= width; left++) {
      const inside = [];
      for (let y = top; y < top + size; y++) for (let x = left; x < left + size; x++) inside.push(y * width + x);
      const least = Math.min(...inside.map((at) => values[at]));
      for (const at of inside) opened[at] = Math.max(opened[at], least);
    }
  return opened;
}

/** The 8-connected regions by flooding from each pixel in turn: areas and boxes in order of first pixel. */
function regionsSlowly(mask, width, height) {
  const seen = new Uint8Array(mask.length);
  const regions = [];
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || seen[start]) continue;
    const region = { left: width, top: height, right: 0, bottom: 0, area: 0 };
    const waiting = [start];
    seen[start] = 1;
    while (waiting.length) {
      const at = waiting.pop();
      const [x, y] = [at % width, Math.floor(at / width)];
      region.left = Math.min(region.left, x);
      region.top = Math.min(region.top, y);
      region.right = Math.max(region.right, x + 1);
      region.bottom = Math.max(region.bottom, y + 1);
      region.area += 1;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++)
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (!mask[next] || seen[next]) continue;
          seen[next] = 1;
          waiting.push(next);
        }
    }
    regions.push(region);
  }
  return regions;
}

test("only values strictly above the threshold are flagged", () => {
  const bitmap = thresholdBitmap(Float32Array.of(0.25, 0.5, 0.75), 3, 1, 0.5);
  assert.equal(bitmap.bits[0], 0b100);
  assert.equal(countBits(bitmap.bits), 1);
});

test("bits are counted in every word, the sign bit included", () => {
  assert.equal(countBits(Int32Array.of(-1, 0, 1, -2147483648)), 34);
});

test("opening keeps what a square fits into and drops the rest", () => {
  const bitmap = bitmapOf(["###..#", "###..#", "####..", "......"]);
  assert.deepEqual(linesOf(openBitmap(bitmap, 3)), ["###...", "###...", "###...", "......"]);
  assert.deepEqual(linesOf(openBitmap(bitmap, 1)), ["###..#", "###..#", "####..", "......"]);
  assert.deepEqual(linesOf(openBitmap(bitmap, 5)), ["......", "......", "......", "......"]); // higher than the picture
});

test("outside of the picture nothing is flagged, so a square has to lie in it whole", () => {
  assert.deepEqual(linesOf(openBitmap(bitmapOf(["##.", "##.", "..."]), 3)), ["...", "...", "..."]);
  assert.deepEqual(linesOf(openBitmap(bitmapOf(["###", "###", "###"]), 3)), ["###", "###", "###"]);
});

test("regions touch over corners, and come in the order of their first pixels", () => {
  const { runs, regions } = findRegions(bitmapOf(["#..#", ".#..", "...#"]));
  assert.deepEqual(regions, [
    { left: 0, top: 0, right: 2, bottom: 2, area: 2 },
    { left: 3, top: 0, right: 4, bottom: 1, area: 1 },
    { left: 3, top: 2, right: 4, bottom: 3, area: 1 },
  ]);
  assert.deepEqual(
    [runs.rows, runs.starts, runs.ends],
    [
      [0, 0, 1, 2],
      [0, 3, 1, 3],
      [1, 4, 2, 4],
    ],
  );
  assert.deepEqual([...runs.owners], [0, 1, 0, 2]);
});

test("regions of fewer pixels are dropped, of as many kept", () => {
  const found = findRegions(bitmapOf(["##..#", "....#", "#...#"]));
  const { runs, regions } = dropSmallRegions(found, 2);
  assert.deepEqual(
    regions.map(({ area }) => area),
    [2, 3],
  );
  assert.deepEqual(text(runsToMask(runs, 5, 3), 5), ["##..#", "....#", "....#"]);
  assert.deepEqual(dropSmallRegions(found, 4).regions, []);
  assert.equal(dropSmallRegions(found, 1).regions.length, 3);
});

test("an empty bitmap has no region", () => {
  const { runs, regions } = findRegions(makeBitmap(70, 3));
  assert.equal(runs.count, 0);
  assert.deepEqual(regions, []);
});

// widths around the words' 32 bits; odd shares of flagged pixels; sizes of one step and of many
const random = generator(7);
for (const [width, height] of [
  [1, 1],
  [5, 9],
  [31, 20],
  [32, 20],
  [33, 20],
  [64, 17],
  [65, 33],
  [97, 40],
])
  test(`${width} × ${height}: opening, regions and grey opening are as their definitions say`, () => {
    for (const share of [0.3, 0.8, 0.97]) {
      const values = Float32Array.from({ length: width * height }, () => random() + share - 0.5);
      const mask = Uint8Array.from(values, (value) => (value > 0.5 ? 1 : 0));
      const bitmap = thresholdBitmap(values, width, height, 0.5);
      assert.equal(
        countBits(bitmap.bits),
        mask.reduce((sum, flagged) => sum + flagged, 0),
      );
      for (const size of [1, 2, 3, 7, 9, 19, 31]) {
        const opened = openBitmap(bitmap, size);
        const expected = openedSlowly(mask, width, height, size);
        const { runs, regions } = findRegions(opened);
        assert.deepEqual(runsToMask(runs, width, height), expected);
        assert.deepEqual(regions, regionsSlowly(expected, width, height));
        const grey = greyOpening(values, width, height, size);
        assert.deepEqual(grey, greyOpenedSlowly(values, width, height, size));
      }
    }
  });
