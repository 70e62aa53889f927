// The numbers beside the sliders, moving with the picture. Writes text where it changed and nothing else.

import { formatCount, formatPercent, formatProbability, formatScore, UNDEFINED } from "../shared/format.js";

const LISTED_REGIONS = 5;

export function createReadout(root, { onRegion }) {
  const slots = Object.fromEntries([...root.querySelectorAll("[data-slot]")].map((slot) => [slot.dataset.slot, slot]));
  const rows = buildRegionRows(slots.regionRows, onRegion);

  function put(name, text, title = "") {
    const slot = slots[name];
    if (slot.textContent !== text) slot.textContent = text;
    if (slot.title !== title) slot.title = title;
  }

  function putScore(name, { value, reason }) {
    put(name, formatScore(value), reason);
  }

  return {
    showScene(scene) {
      const { pictureSize, grid } = scene;
      put("title", scene.title, scene.title);
      put("facts", `${pictureSize.width} × ${pictureSize.height} px · map ${grid.width} × ${grid.height}`);
      put("score", formatProbability(scene.score), `raw: ${scene.score}`);
      put("rule", scene.rule);
    },

    /** `measured` from the analysis; `raw` and `opened` are AUROCs, `opened` null while it is not known yet. */
    show(measured, scene, maxValue, raw, opened) {
      const { kernelSize, minArea, regions } = measured;
      slots.verdict.dataset.verdict = measured.verdict;
      put("verdictWord", measured.verdict);
      put("hint", hintFor(measured, maxValue));
      put("stepThreshold", `> ${formatProbability(measured.threshold)}`);
      put("stepOpening", kernelSize === 1 ? "off" : `${kernelSize} × ${kernelSize}`);
      put("stepArea", minArea < 2 ? "off" : `≥ ${formatCount(minArea)} px`);
      put("above", `${formatCount(measured.above)} px`);
      put("opened", `${formatCount(measured.opened)} px`);
      put("flagged", `${formatCount(measured.flagged)} px`);
      put("regions", formatCount(regions.length));
      put("share", formatPercent(measured.flagged / scene.map.length), "of the map's area");
      for (const [name, score] of Object.entries(measured.scores)) putScore(name, score);
      putScore("auroc", raw);
      if (opened) putScore("aurocOpened", opened);
      else put("aurocOpened", "…", "being computed");
      showRegions(rows, regions);
    },

    showProbe: (text) => put("probe", text),
    showZoom: (zoom) => put("zoom", `${zoom < 10 ? Number(zoom.toFixed(1)) : Math.round(zoom)}×`, slots.zoom.title),

    /** For screen readers, once a setting has settled. */
    announce(measured, scene) {
      const { regions, flagged, scores } = measured;
      const count = regions.length === 1 ? "1 defect region" : `${regions.length} defect regions`;
      const truth = scene.truth && scores.f1.value !== null ? ` F1 ${formatScore(scores.f1.value)}.` : "";
      put(
        "announce",
        `${measured.verdict}. ${count}, ${formatPercent(flagged / scene.map.length)} of the area.${truth}`,
      );
    },
  };
}

/** Why the mask is empty, in one line; "" where it is not. */
function hintFor({ above, opened, openedRegions, largestOpened, flagged, threshold, kernelSize, minArea }, maxValue) {
  if (flagged > 0) return "";
  if (above === 0)
    return `No pixel is above ${formatProbability(threshold)}: the map's highest value is ${formatProbability(maxValue)}.`;
  if (opened === 0)
    return `Opening with kernel ${kernelSize} removed all ${formatCount(above)} px above the threshold.`;
  const regions = openedRegions === 1 ? "the only region" : `all ${formatCount(openedRegions)} regions`;
  return `Minimum area ${formatCount(minArea)} removed ${regions}; the largest has ${formatCount(largestOpened)} px.`;
}

function buildRegionRows(body, onRegion) {
  return Array.from({ length: LISTED_REGIONS }, () => {
    const row = body.insertRow();
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Zoom to this region";
    row.insertCell().append(button);
    const area = row.insertCell();
    const entry = { row, button, area, region: null };
    button.onclick = () => entry.region && onRegion(entry.region);
    return entry;
  });
}

function showRegions(rows, regions) {
  const largest = largestOf(regions, rows.length);
  rows.forEach((entry, i) => {
    const region = largest[i];
    entry.region = region;
    entry.row.classList.toggle("empty", !region);
    const box = region
      ? `${region.left}, ${region.top}, ${region.right - region.left} × ${region.bottom - region.top}`
      : UNDEFINED;
    const area = region ? `${formatCount(region.area)} px` : "";
    if (entry.button.textContent !== box) entry.button.textContent = box;
    if (entry.area.textContent !== area) entry.area.textContent = area;
  });
}

/** The first `count` regions by area; a noisy mask has too many to sort in a frame. */
function largestOf(regions, count) {
  const largest = [];
  for (const region of regions) {
    if (largest.length === count && region.area <= largest.at(-1).area) continue;
    const place = largest.findIndex(({ area }) => area < region.area);
    largest.splice(place < 0 ? largest.length : place, 0, region);
    largest.length = Math.min(largest.length, count);
  }
  return largest;
}
