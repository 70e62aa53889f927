import assert from "node:assert/strict";
import { test } from "node:test";
import { findRegions, thresholdBitmap } from "../../pages/_ui/components/viewer/morphology.js";
import { aurocOf, confusionOf, histogramOf, maskScores, prefixSums } from "../../pages/_ui/components/viewer/scores.js";
import { generator, picture } from "./pictures.js";

const bytesOf = (lines) => Uint8Array.from(picture(lines).values);

function confusionOfLines(flagged, truth) {
  const { values, width, height } = picture(flagged);
  const { runs } = findRegions(thresholdBitmap(values, width, height, 0.5));
  return confusionOf(runs, width, prefixSums(bytesOf(truth)));
}

test("prefix sums count the defect pixels before each pixel", () => {
  assert.deepEqual([...prefixSums(Uint8Array.of(0, 1, 1, 0, 1))], [0, 0, 1, 2, 2, 3]);
});

test("pixels by flagged and defect", () => {
  const confusion = confusionOfLines(["##..", ".##."], [".##.", ".#.#"]);
  assert.deepEqual(confusion, { tp: 2, fp: 2, fn: 2, tn: 2 });
  assert.equal(confusionOf({ count: 0 }, 4, null), null);
});

test("scores of a mask, with the numbers of its definition", () => {
  const scores = maskScores({ tp: 3, fp: 1, fn: 2, tn: 10 });
  assert.deepEqual(scores.f1, { value: 6 / 9, reason: "" });
  assert.deepEqual(scores.precision, { value: 3 / 4, reason: "" });
  assert.deepEqual(scores.recall, { value: 3 / 5, reason: "" });
  assert.deepEqual(scores.iou, { value: 3 / 6, reason: "" });
});

test("what is not defined is null with its reason, never 0", () => {
  const reasons = (confusion) => Object.values(maskScores(confusion)).map(({ value, reason }) => [value, reason]);
  const noDefect = "Undefined: no defect pixel in this image";
  assert.deepEqual(reasons({ tp: 0, fp: 0, fn: 0, tn: 9 }), [
    [null, noDefect],
    [null, "Undefined: the mask is empty"],
    [null, noDefect],
    [null, noDefect],
  ]);
  assert.equal(maskScores({ tp: 0, fp: 2, fn: 0, tn: 9 }).f1.value, 0); // a false alarm is a mistake that counts
  assert.deepEqual(reasons(null), Array(4).fill([null, "This image has no ground truth"]));
});

test("the AUROC is the share of (good, defect) pairs in the right order, ties counting half", () => {
  // defects 0.4 and 0.8 against good 0.1, 0.4 and 0.5: 1 + ½ + 0, and 3 of 3
  const values = Float32Array.of(0.1, 0.4, 0.5, 0.4, 0.8);
  assert.deepEqual(aurocOf(values, Uint8Array.of(0, 0, 0, 1, 1)), { value: 4.5 / 6, reason: "" });
  assert.equal(aurocOf(Float32Array.of(0, 1), Uint8Array.of(0, 1)).value, 1);
  assert.equal(aurocOf(Float32Array.of(1, 0), Uint8Array.of(0, 1)).value, 0);
  assert.equal(aurocOf(Float32Array.of(0.3, 0.3), Uint8Array.of(0, 1)).value, 0.5);
  assert.equal(aurocOf(new Float32Array(4).fill(-Infinity), Uint8Array.of(0, 1, 0, 1)).value, 0.5);
});

test("an AUROC that is not defined says why", () => {
  const values = Float32Array.of(0.1, 0.2);
  assert.equal(aurocOf(values, null).reason, "This image has no ground truth");
  assert.deepEqual(aurocOf(values, Uint8Array.of(0, 0)), {
    value: null,
    reason: "Undefined: no defect pixel in this image",
  });
  assert.deepEqual(aurocOf(values, Uint8Array.of(1, 1)), {
    value: null,
    reason: "Undefined: no good pixel in this image",
  });
});

test("the AUROC of many values is that of all pairs, down to the last float", () => {
  const random = generator(11);
  for (const levels of [3, 50, 1e9]) {
    const values = Float32Array.from({ length: 400 }, () => Math.floor(random() * levels) / levels);
    const truth = Uint8Array.from(values, () => (random() < 0.3 ? 1 : 0));
    let [pairs, right] = [0, 0];
    for (let good = 0; good < values.length; good++)
      for (let defect = 0; defect < values.length; defect++) {
        if (truth[good] || !truth[defect]) continue;
        pairs += 1;
        right += values[defect] > values[good] ? 1 : values[defect] === values[good] ? 0.5 : 0;
      }
    assert.equal(aurocOf(values, truth).value, right / pairs);
  }
});

test("values fall into 128 bins, good and defect apart", () => {
  const values = Float32Array.of(0, 1 / 128, 0.5, 0.5, 1);
  const { good, defects } = histogramOf(values, Uint8Array.of(0, 0, 1, 0, 1), false, 16);
  const filled = (bins) => [...bins.entries()].filter(([, count]) => count);
  assert.deepEqual(filled(good), [
    [0, 1],
    [1, 1],
    [64, 1],
  ]);
  assert.deepEqual(filled(defects), [
    [64, 1],
    [127, 1],
  ]);
  assert.deepEqual(filled(histogramOf(values, null, false, 16).good), [
    [0, 1],
    [1, 1],
    [64, 2],
    [127, 1],
  ]);
});

test("on the logit axis 0 and 1 stand at the ends and a half in the middle", () => {
  const { good } = histogramOf(Float32Array.of(0, 0.5, 1), null, true, 16);
  assert.deepEqual([good[0], good[64], good[127]], [1, 1, 1]);
});
