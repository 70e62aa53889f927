import assert from "node:assert/strict";
import { test } from "node:test";
import { logit, thresholdOf } from "../../pages/_ui/components/shared/scale.js";
import { nearestStep, placeOf, sensitivityAt, sensitivityRange } from "../../pages/_ui/components/shared/stops.js";

// a logit axis from −2 to 2 with a stop at each whole logit, and a plain one with steps of a quarter
const STOPS = {
  logitSpan: 2,
  kernelSizes: Int32Array.of(1, 3, 5, 7),
  minAreas: Int32Array.of(0, 1, 2, 10),
  evenStops: Float64Array.of(0, 0.25, 0.5, 0.75, 1),
  logitStops: Float64Array.of(0.1192, 0.2689, 0.5, 0.7311, 0.8808),
};

test("a threshold is the float32 of one less the sensitivity", () => {
  assert.equal(thresholdOf(0.75), 0.25);
  assert.equal(thresholdOf(0.9), 0.10000000149011612); // the float32 next to 0.1
  assert.notEqual(thresholdOf(0.9), 1 - 0.9);
});

test("the logit of a half is 0, of 0 and 1 infinite, and of a small share exact", () => {
  assert.equal(logit(0.5), 0);
  assert.equal(logit(1), Infinity);
  assert.equal(logit(0), -Infinity);
  assert.ok(Math.abs(logit(0.9) - Math.log(9)) < 1e-12);
  assert.ok(Math.abs(logit(1e-12) - Math.log(1e-12)) < 1e-11);
});

test("the nearest step, of two the larger one", () => {
  const nearest = (value) => STOPS.kernelSizes[nearestStep(STOPS.kernelSizes, value)];
  assert.deepEqual([-5, 0, 1, 2, 3, 3.9, 4, 6.9, 7, 99].map(nearest), [1, 1, 1, 3, 3, 3, 5, 7, 7, 7]);
});

test("a sensitivity slider goes through its stops on either axis", () => {
  assert.deepEqual(sensitivityRange(false, STOPS), [0, 1, 0.25]);
  assert.deepEqual(sensitivityRange(true, STOPS), [-2, 2, 1]);
  assert.deepEqual(
    [0, 0.25, 0.5, 1].map((position) => sensitivityAt(position, false, STOPS)),
    [0, 0.25, 0.5, 1],
  );
  assert.deepEqual(
    [-2, -1, 0, 1, 2].map((z) => sensitivityAt(z, true, STOPS)),
    [...STOPS.logitStops],
  );
  assert.equal(sensitivityAt(2.000001, true, STOPS), 0.8808); // not past the end
  assert.equal(sensitivityAt(-2.6, true, STOPS), 0.1192);
});

test("a place on the axis is 0 at its left end and 1 at its right", () => {
  assert.equal(placeOf(0.3, false, 2), 0.3);
  assert.equal(placeOf(0.5, true, 2), 0.5);
  assert.equal(placeOf(0, true, 2), 0);
  assert.equal(placeOf(1, true, 2), 1);
  assert.ok(Math.abs(placeOf(Math.E / (1 + Math.E), true, 2) - 0.75) < 1e-12); // the logit 1 of −2 to 2
});
