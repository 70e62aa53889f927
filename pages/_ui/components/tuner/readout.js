// The numbers, moving with the sliders. Writes text where it changed and nothing else.

import { formatCount, formatPercent, formatScore, formatSensitivity, UNDEFINED } from "../shared/format.js";
import { NO_DEFECT_IMAGES, NO_GOOD_IMAGES, NO_MASKS, scoresOf } from "./counts.js";

export function createReadout(root, data, counts) {
  const slots = Object.fromEntries([...root.querySelectorAll("[data-slot]")].map((slot) => [slot.dataset.slot, slot]));

  function put(name, text, title) {
    const slot = slots[name];
    if (slot.textContent !== text) slot.textContent = text;
    if (title !== undefined && slot.title !== title) slot.title = title;
  }

  const putScore = (name, { value, reason }) => put(name, formatScore(value), reason);
  const putMetric = (name, value, reason) => put(name, formatScore(value), value === null ? reason : "");
  const noPixels = data.pixelReason ? `Undefined: ${data.pixelReason}` : NO_MASKS;
  const imageReason = counts.defects ? NO_GOOD_IMAGES : NO_DEFECT_IMAGES;

  put("title", data.title, data.title);
  put("proLimit", String(data.fprLimit));
  slots.auproHead.title = `Per-region overlap up to ${100 * data.fprLimit} % false positives, after opening with this kernel`;
  put(
    "facts",
    `${formatCount(counts.images)} images: ${formatCount(counts.images - counts.defects)} good, ${formatCount(counts.defects)} defect`,
  );

  return {
    show(measured, settings) {
      const { image, pixel, zones, regions, blobs, metrics } = measured;
      for (const [zone, [good, defect]] of Object.entries(zones)) {
        put(`${zone}Good`, formatCount(good));
        put(`${zone}Defect`, formatCount(defect));
        put(`${zone}Share`, formatPercent((good + defect) / counts.images));
      }
      const images = scoresOf(image, NO_DEFECT_IMAGES, NO_GOOD_IMAGES);
      const pixels = scoresOf(pixel, noPixels, noPixels);
      for (const name of ["f1", "precision", "recall", "falseAlarms"]) putScore(`image-${name}`, images[name]);
      for (const name of ["f1", "iou", "precision", "recall"]) putScore(`pixel-${name}`, pixels[name]);
      putMetric("image-auroc", metrics.image_auroc, imageReason);
      putMetric("image-ap", metrics.image_ap, imageReason);
      for (const name of ["auroc", "ap"]) putMetric(`pixel-${name}`, metrics[`pixel_${name}`], noPixels);
      putMetric("aupro", metrics.aupro, noPixels);
      put("found", regions.total ? `${formatCount(regions.found)} of ${formatCount(regions.total)}` : UNDEFINED);
      put("blobs", formatCount(blobs.left));
      put("erased", formatCount(regions.erased));
      slots.erased.classList.toggle("costly", regions.erased > 0);
      put("removed", formatCount(blobs.raw - blobs.left));
      put("removedOf", `of ${formatCount(blobs.raw)}`);
      const filters = [
        settings.kernel_size > 1 && `opening ${settings.kernel_size} × ${settings.kernel_size}`,
        settings.min_area > 1 && `area ≥ ${formatCount(data.minAreas[measured.area])} px`,
      ].filter(Boolean);
      put(
        "filters",
        filters.length ? `What ${filters.join(" and ")} cost` : "What opening and area filter cost (both off)",
      );
    },

    showPoints(points) {
      for (const [id, [x, y]] of Object.entries(points))
        put(
          `${id}Point`,
          `${formatScore(Number.isFinite(x) ? x : null)}, ${formatScore(Number.isFinite(y) ? y : null)}`,
        );
    },

    showFlips({ changed, right }, settings) {
      const saved = `sensitivity ${formatSensitivity(settings.saved_sensitivity)}, kernel ${settings.saved_kernel_size}, area ${settings.saved_min_area}`;
      const count = changed === 1 ? "1 verdict differs" : `${formatCount(changed)} verdicts differ`;
      put("flipsHead", changed ? `${count} from the saved setting` : "No verdict differs from the saved setting");
      put("flipsSaved", `(${saved})`);
      put("flipsSummary", changed ? `${formatCount(right)} right now, ${formatCount(changed - right)} wrong now` : "");
    },

    showGallery({ shown, count }, order) {
      const empty = order === "erased" ? "Opening and area filter erase no true region here." : "";
      put("galleryNote", count ? (shown < count ? `first ${shown} of ${formatCount(count)}` : "") : empty);
    },

    /** For screen readers, once a setting has settled. */
    announce({ image }) {
      const { f1 } = scoresOf(image, NO_DEFECT_IMAGES, NO_GOOD_IMAGES);
      put("announce", `Image F1 ${formatScore(f1.value)}: ${image.fn} misses, ${image.fp} false alarms.`);
    },
  };
}
