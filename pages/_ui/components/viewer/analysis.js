// One image's map under the present settings: the mask and every number of the readout. Knows no element and no
// canvas. What depends on the image alone, or on the kernel alone, is kept; the rest is counted anew each frame.

import { thresholdOf } from "../shared/scale.js";
import { countBits, dropSmallRegions, findRegions, greyOpening, openBitmap, thresholdBitmap } from "./morphology.js";
import { aurocOf, confusionOf, histogramOf, maskScores, prefixSums } from "./scores.js";

export function createAnalysis(scene, { kernelSizes, logitSpan }) {
  const { width, height } = scene.grid;
  const sums = scene.truth && prefixSums(scene.truth);
  const aurocs = new Map(); // kernel → { value, reason } of the opened map
  const histograms = new Map();
  let previous = null;

  /** The steps from the map to the verdict, with what each leaves. */
  function measure({ sensitivity, kernel_size, min_area }) {
    if (
      previous &&
      previous.sensitivity === sensitivity &&
      previous.kernelSize === kernel_size &&
      previous.minArea === min_area
    )
      return previous;
    const threshold = thresholdOf(sensitivity);
    const above = thresholdBitmap(scene.map, width, height, threshold);
    const opened = openBitmap(above, kernel_size);
    const all = findRegions(opened);
    const { runs, regions } = dropSmallRegions(all, min_area);
    const flagged = regions.reduce((sum, region) => sum + region.area, 0);
    const confusion = confusionOf(runs, width, sums);
    previous = {
      sensitivity,
      kernelSize: kernel_size,
      minArea: min_area,
      threshold,
      runs,
      regions,
      above: countBits(above.bits),
      opened: all.regions.reduce((sum, region) => sum + region.area, 0),
      openedRegions: all.regions.length,
      largestOpened: all.regions.reduce((most, region) => Math.max(most, region.area), 0),
      flagged,
      verdict: flagged > 0 ? "NG" : "OK",
      confusion,
      scores: maskScores(confusion),
    };
    return previous;
  }

  function auroc(kernelSize) {
    if (!aurocs.has(kernelSize))
      aurocs.set(kernelSize, aurocOf(greyOpening(scene.map, width, height, kernelSize), scene.truth));
    return aurocs.get(kernelSize);
  }

  function histogram(onLogitScale) {
    if (!histograms.has(onLogitScale))
      histograms.set(onLogitScale, histogramOf(scene.map, scene.truth, onLogitScale, logitSpan));
    return histograms.get(onLogitScale);
  }

  return {
    measure,
    histogram,
    auroc,
    /** The AUROC after opening where it is known already, so that a frame need not wait for it. */
    knownAuroc: (kernelSize) => (scene.truth ? (aurocs.get(kernelSize) ?? null) : auroc(kernelSize)),
    /** The kernel nearest to `kernelSize` whose AUROC is not known yet, or undefined. */
    nextUnknown: (kernelSize) =>
      [...kernelSizes]
        .filter((kernel) => !aurocs.has(kernel))
        .sort((a, b) => Math.abs(a - kernelSize) - Math.abs(b - kernelSize))[0],
    maxValue: scene.map.reduce((most, value) => Math.max(most, value), 0),
  };
}
