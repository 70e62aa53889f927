// Wires one viewer: payload in, frames out, settled settings back. All work is done in an animation frame, at most once
// a frame, and only for what changed; the server hears of a setting when it has settled.

import { createControls } from "../shared/controls.js";
import { unpackStops } from "../shared/stops.js";
import { showTicks, themeColors } from "../shared/theme.js";
import { unpack } from "../shared/unpack.js";
import { createAnalysis } from "./analysis.js";
import { drawHistogram } from "./histogram.js";
import { greyOpening, runsToMask } from "./morphology.js";
import { createPanels } from "./panels.js";
import { describeProbe } from "./probe.js";
import { createReadout } from "./readout.js";
import { unpackScene } from "./scene.js";
import { NO_TRUTH } from "./scores.js";

const QUIET = 150; // ms without a frame before idle time is spent on AUROCs that may be asked for next

const viewers = new WeakMap(); // root element → viewer

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".draem-viewer");
  if (!viewers.has(root)) viewers.set(root, createViewer(root));
  const viewer = viewers.get(root);
  viewer.receive(data, setStateValue);
  return viewer.stop;
}

function createViewer(root) {
  let scene = null;
  let stops = null; // of the sliders
  let analysis = null;
  let settings = null;
  let settled = ""; // the settings that the server knows, as JSON
  let revision = null;
  /** @type {(name: string, value: unknown) => void} */
  let send = () => {};
  let measured = null;
  let probe = null;
  let frame = 0;
  let idle = 0;
  const dirty = new Set();

  const panels = createPanels(root, {
    requestPaint,
    onProbe(next) {
      probe = next;
      requestPaint("probe");
    },
    onView: (zoom) => readout.showZoom(zoom),
    onOverlay: (overlay) => controls.change({ overlay }),
  });
  const readout = createReadout(root, { onRegion: (region) => panels.zoomTo(region) });
  const controls = createControls(root, { onLive: useSettings, onSettled: tellServer });
  const histogram = root.querySelector("[data-slot=histogram]");
  const histogramSized = new ResizeObserver(() => requestPaint("histogram"));
  histogramSized.observe(histogram);
  const zooms = { in: () => panels.zoomBy(1.5), out: () => panels.zoomBy(1 / 1.5), reset: panels.resetView };
  for (const button of root.querySelectorAll("[data-zoom]")) button.onclick = zooms[button.dataset.zoom];

  function receive(bytes, setStateValue) {
    send = setStateValue;
    const { header: order, arrays } = unpack(bytes);
    stops = unpackStops(arrays.sliders.values);
    const next = unpackScene(arrays.scene.values);
    if (next.digest !== scene?.digest) {
      scene = next;
      analysis = createAnalysis(scene, stops);
      measured = null;
      panels.setScene(scene);
      readout.showScene(scene);
      controls.allowTruth(scene.truth !== null, NO_TRUTH);
      root.classList.toggle("defects", Boolean(scene.truth?.includes(1)));
    }
    if (order.revision !== revision) {
      revision = order.revision;
      settled = JSON.stringify(order.settings);
      // a slider that the user holds stays with the user; the release answers this order
      if (!controls.isDragging()) settings = order.settings;
      controls.show(settings, order.defaults, stops);
    }
    panels.setSettings(settings);
    requestPaint("view", "opacity", "contour", "histogram"); // the theme may have changed as well
  }

  function useSettings(next) {
    const changed = (name) => next[name] !== settings[name];
    if (changed("opacity") || changed("overlay")) requestPaint("opacity");
    if (changed("show_contour")) requestPaint("contour");
    if (changed("show_boxes") || changed("show_difference")) requestPaint("view");
    if (changed("logit_scale")) requestPaint("histogram");
    if (changed("show_difference")) measured = null;
    settings = next;
    panels.setSettings(settings);
    requestPaint("settings");
  }

  function tellServer() {
    const answer = JSON.stringify(settings);
    if (answer === settled) return;
    settled = answer;
    send("settled", { revision, ...settings });
    readout.announce(measure(), scene);
  }

  function measure() {
    const next = analysis.measure(settings);
    if (next !== measured) dirty.add("mask");
    measured = next;
    return measured;
  }

  /** Ask for a frame; with "now" it is painted at once, for a canvas that would be blank until then. */
  function requestPaint(...reasons) {
    const now = reasons.includes("now");
    for (const reason of reasons) dirty.add(reason);
    if (!scene) return;
    if (now) paint();
    else frame ||= requestAnimationFrame(paint);
  }

  function paint() {
    cancelAnimationFrame(frame);
    frame = 0;
    clearTimeout(idle);
    measure();
    panels.paint(dirty, measured);
    const raw = analysis.auroc(1); // before asking what is known: with kernel 1 it is the opened one too
    const opened = analysis.knownAuroc(settings.kernel_size);
    readout.show(measured, scene, analysis.maxValue, raw, opened);
    if (dirty.has("histogram")) paintHistogram();
    if (dirty.has("probe") || dirty.has("view") || probe) showProbe();
    dirty.clear();
    idle = setTimeout(() => requestIdle(computeNextAuroc), opened ? QUIET : 0);
  }

  function computeNextAuroc() {
    const kernel = analysis.nextUnknown(settings.kernel_size);
    const wanted = kernel === settings.kernel_size;
    if (!scene.truth || kernel === undefined || frame || (controls.isDragging() && !wanted)) return;
    analysis.auroc(kernel);
    if (wanted) requestPaint("auroc");
    else idle = setTimeout(() => requestIdle(computeNextAuroc), 0);
  }

  function paintHistogram() {
    drawHistogram(histogram, analysis.histogram(settings.logit_scale), themeColors(root));
    showTicks(root, settings.logit_scale, "p =", stops.logitSpan);
  }

  function showProbe() {
    const pointed = probe && describeProbe(probe, scene, measured);
    panels.showProbe(probe, pointed?.texts);
    readout.showProbe(pointed?.line ?? "");
  }

  exposeToTests(root, {
    mask: () => runsToMask(measure().runs, scene.grid.width, scene.grid.height),
    opened: (kernel = settings.kernel_size) => greyOpening(scene.map, scene.grid.width, scene.grid.height, kernel),
    readout: () => ({
      ...measure(),
      runs: undefined,
      auroc: analysis.auroc(1),
      aurocOpened: analysis.auroc(settings.kernel_size),
    }),
    settings: () => ({ ...settings }),
  });

  function stop() {
    cancelAnimationFrame(frame);
    clearTimeout(idle);
    panels.stop();
    histogramSized.disconnect();
  }

  return { receive, stop };
}

function requestIdle(work) {
  if (window.requestIdleCallback) requestIdleCallback(work, { timeout: 500 });
  else setTimeout(work, 0);
}

/** A read-only window on what is shown, so that a browser test can compare masks byte for byte. */
function exposeToTests(root, hooks) {
  Object.defineProperty(root, "draemViewer", { value: Object.freeze(hooks), configurable: true });
}
