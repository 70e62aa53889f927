// The line under each panel: size, colour bar, counts, the overlay's choice, the legend. Knows no canvas.

import { formatCount, formatPercent, formatProbability } from "../shared/format.js";

/** `panels` by name; `onOverlay` hears which overlay was chosen. */
export function buildPanelFooters(panels, onOverlay) {
  panels.map.footer.innerHTML = `
    <div class="scale"><i class="marker"></i><div class="ramp"></div>
    <div class="numbers"><span>0</span><span>.25</span><span>.5</span><span>.75</span><span>1</span></div></div>`;
  panels.overlay.footer.innerHTML = `
    <div class="choice" role="radiogroup" aria-label="Overlay">
      <button type="button" role="radio" data-overlay="heatmap">Heatmap</button>
      <button type="button" role="radio" data-overlay="mask">Mask</button></div>`;
  panels.difference.footer.innerHTML = `
    <ul class="legend">
      <li title="Flagged, and a defect"><i class="hit"></i>TP <b></b></li>
      <li title="Flagged, but good"><i class="alarm"></i>FP <b></b></li>
      <li title="A defect that was not flagged"><i class="miss"></i>FN <b></b></li></ul>`;
  const marker = panels.map.footer.querySelector(".marker");
  const ramp = panels.map.footer.querySelector(".ramp");
  const choices = [...panels.overlay.footer.querySelectorAll("button")];
  const legend = [...panels.difference.footer.querySelectorAll("b")];
  for (const button of choices) button.onclick = () => onOverlay(button.dataset.overlay);
  return {
    showScene(scene) {
      const { pictureSize, shown, grid } = scene;
      const shrunk = shown.width < pictureSize.width ? `, shown at ${shown.width} × ${shown.height}` : "";
      panels.original.footer.textContent = `${pictureSize.width} × ${pictureSize.height} px${shrunk}`;
      panels.reconstruction.footer.textContent = `${grid.width} × ${grid.height} px, clipped to [0, 1]`;
      const stops = Array.from({ length: 33 }, (_, i) => 3 * Math.min(255, 8 * i));
      const colors = stops.map((at) => `rgb(${scene.colormap.slice(at, at + 3).join(" ")})`);
      ramp.style.background = `linear-gradient(to right, ${colors.join(", ")})`;
    },
    showMask(measured, scene) {
      const { tp, fp, fn } = measured.confusion ?? {};
      [tp, fp, fn].forEach((count, i) => {
        legend[i].textContent = formatCount(count);
      });
      const share = measured.flagged / scene.map.length;
      panels.mask.footer.textContent = `${formatCount(measured.flagged)} px, ${formatPercent(share)} of the map`;
    },
    showSettings(settings, threshold) {
      marker.style.left = `${100 * threshold}%`;
      marker.title = `threshold ${formatProbability(threshold)}`;
      for (const button of choices)
        button.setAttribute("aria-checked", String(button.dataset.overlay === settings.overlay));
    },
  };
}
