import assert from "node:assert/strict";
import { test } from "node:test";
import { trace } from "../../pages/_ui/components/tuner/curves.js";

/** What is drawn of a curve on a plot of 100 × 100 pixels, as [x, y] of each point, y upwards. */
function drawn(xs, ys, options = {}) {
  const points = [];
  const context = {
    beginPath: () => points.splice(0),
    moveTo: (x, y) => points.push(["from", x, y]),
    lineTo: (x, y) => points.push([x, y]),
  };
  const limit = options.limit ?? 1;
  trace(context, xs, ys, { toX: (x) => (100 * x) / limit, toY: (y) => 100 * y, limit, ...options });
  return points;
}

test("a curve goes through its points, from the corner where it begins there", () => {
  assert.deepEqual(drawn([0.25, 0.5, 1], [0.5, 0.75, 1]), [
    [25, 50],
    [50, 75],
    [100, 100],
    [100, 100],
  ]);
  assert.deepEqual(drawn([0.5], [0.5], { from: "corner" })[0], ["from", 0, 0]);
});

test("points that are not defined, stand still or lie within a pixel are left out; the last one is drawn", () => {
  assert.deepEqual(drawn([NaN, 0.2, 0.2, 0.5], [NaN, 0.1, 0.1, NaN]), [
    [20, 10],
    [20, 10],
  ]);
  assert.deepEqual(drawn([0.2, 0.203, 0.206], [0, 0.002, 0.002]), [
    [20, 0],
    [20.599999999999998, 0.2],
  ]);
});

test("beyond the limit a curve ends on its border, between the points on both sides", () => {
  assert.deepEqual(drawn([0, 0.25, 0.75], [0, 0.5, 1], { limit: 0.5 }), [
    [0, 0],
    [50, 50],
    [100, 75],
  ]);
});

test("nothing is drawn of a curve without a point", () => {
  assert.deepEqual(drawn([NaN, NaN], [0, 1]), []);
});
