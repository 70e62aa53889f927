import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts, scoresOf } from "../../pages/_ui/components/tuner/counts.js";
import { sumUp } from "../../pages/_ui/components/tuner/dataset.js";

// Two kernels, two areas, three sensitivities; two good images and two defect ones with a region each. Rows of the
// tables are (kernel, area) in turn; a table has one column more than there are stops.
const NEVER = 3;
const data = {
  shape: [2, 2, 3],
  kernelSizes: [1, 3],
  minAreas: [0, 10],
  sensitivities: Float64Array.of(0.25, 0.5, 0.75),
  labels: Uint8Array.of(0, 0, 1, 1),
  imageStops: Uint16Array.of(2, NEVER, 0, 1, ...[2, NEVER, 1, 2], ...[NEVER, NEVER, 1, 2], ...[NEVER, NEVER, 1, NEVER]),
  regionImages: Int32Array.of(2, 3),
  regionStops: Uint16Array.of(0, 1, ...[1, 2], ...[1, 2], ...[1, NEVER]),
  defectPixels: Int32Array.of(4, 6, 8, 8, ...[0, 5, 7, 7], ...[0, 4, 6, 6], ...[0, 4, 4, 4]),
  goodPixels: Int32Array.of(0, 0, 12, 12, ...[0, 0, 10, 10], ...new Int32Array(8)),
  falseBlobs: Int32Array.of(0, 0, 3, 3, ...[0, 0, 1, 1], ...new Int32Array(8)),
  overlap: Float64Array.of(0.4, 1.1, 1.5, 1.5, ...[0, 0.5, 1.2, 1.2], ...[0, 0.5, 1, 1], ...[0, 0.5, 0.5, 0.5]),
  defectTotal: 8,
  goodTotal: 100,
  metrics: [{ image_auroc: 1 }, { image_auroc: 0.75 }],
};
const counts = createCounts(data);

test("a setting is moved to the nearest one that was counted", () => {
  assert.deepEqual([0, 0.25, 0.37, 0.375, 0.38, 0.6, 1].map(counts.nearestStop), [0, 0, 0, 0, 1, 1, 2]);
  assert.deepEqual([0, 5, 6, 4000].map(counts.nearestArea), [0, 0, 1, 1]);
  assert.deepEqual(counts.place(0.5, 3, 9), { stop: 1, kernel: 1, area: 1, row: 3 });
});

test("images by verdict and label, pixels and regions of a setting", () => {
  const where = counts.place(0.5, 1, 0);
  const one = counts.at(where, 2);
  assert.equal(one.threshold, 0.5);
  assert.deepEqual(one.zones, { ng: [0, 2], unsure: [1, 0], ok: [1, 0] }); // [good, defect]
  assert.deepEqual(one.image, { tp: 2, fp: 0, fn: 0, tn: 2 });
  assert.deepEqual(one.pixel, { tp: 6, fp: 0, fn: 2, tn: 100 });
  assert.deepEqual(one.regions, { found: 2, total: 2, erased: 0 });
  assert.equal(one.metrics.image_auroc, 1);
});

test("what opening and area filter cost is told against the map without them", () => {
  const one = counts.at(counts.place(0.75, 3, 10), 2);
  assert.deepEqual(one.image, { tp: 1, fp: 0, fn: 1, tn: 2 });
  assert.deepEqual(one.regions, { found: 1, total: 2, erased: 1 });
  assert.deepEqual(one.blobs, { left: 0, raw: 3 });
  assert.equal(one.metrics.image_auroc, 0.75);
});

test("rates at every stop, NaN where nothing is flagged", () => {
  const rates = counts.curves(counts.place(0, 1, 10));
  assert.deepEqual([...rates.imageRecall], [0, 0.5, 1]);
  assert.deepEqual([...rates.imageAlarms], [0, 0, 0.5]);
  assert.deepEqual([...rates.imagePrecision], [NaN, 1, 2 / 3]);
  assert.deepEqual([...rates.pixelRecall], [0, 5 / 8, 7 / 8]);
  assert.deepEqual([...rates.pixelPrecision], [NaN, 1, 7 / 17]);
  assert.deepEqual([...rates.pixelAlarms], [0, 0, 0.1]);
  assert.deepEqual([...rates.overlap], [0, 0.25, 0.6]);
});

test("scores with their reasons where a denominator is 0", () => {
  const scores = scoresOf({ tp: 3, fp: 1, fn: 2, tn: 4 }, "no defect", "no good");
  assert.deepEqual(
    Object.values(scores).map(({ value }) => value),
    [6 / 9, 3 / 6, 3 / 4, 3 / 5, 1 / 5],
  );
  const none = scoresOf({ tp: 0, fp: 0, fn: 0, tn: 0 }, "no defect", "no good");
  const nothing = "Undefined: nothing is flagged";
  assert.deepEqual(none.f1, { value: null, reason: "no defect" });
  assert.deepEqual(none.precision, { value: null, reason: nothing });
  assert.deepEqual(none.falseAlarms, { value: null, reason: "no good" });
});

test("differences are summed over all larger areas, and along the stops", () => {
  // one kernel, areas 0 and 10, two stops: a blob of 4 pixels begins at stop 0, one of 40 at stop 1
  const table = Int32Array.of(1, 0, 0, ...[0, 1, 0]);
  assert.deepEqual([...sumUp(table, [1, 2, 2])], [1, 2, 2, ...[0, 1, 1]]);
});
