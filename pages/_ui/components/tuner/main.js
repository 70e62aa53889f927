// Wires one tuner: payload in, frames out, settled settings back. All work is done in an animation frame, at most once a
// frame; the server hears of a setting when it has settled.

import { createControls } from "../shared/controls.js";
import { placeOf, unpackStops } from "../shared/stops.js";
import { showTicks, themeColors } from "../shared/theme.js";
import { unpack } from "../shared/unpack.js";
import { createCounts } from "./counts.js";
import { createCurves } from "./curves.js";
import { unpackDataset } from "./dataset.js";
import { createGallery } from "./gallery.js";
import { createReadout } from "./readout.js";
import { createScatter } from "./scatter.js";

const tuners = new WeakMap(); // root element → tuner

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".draem-tuner");
  if (!tuners.has(root)) tuners.set(root, createTuner(root));
  const tuner = tuners.get(root);
  tuner.receive(data, setStateValue, setTriggerValue);
  return tuner.stop;
}

function createTuner(root) {
  let digest = null; // of the payload that is shown or being unpacked
  let stops = null; // of the sliders
  let shown = null; // { data, counts, scatter, curves, gallery, readout } of the present payload
  let settings = null;
  let settled = ""; // the settings that the server knows, as JSON
  let revision = null;
  /** @type {(name: string, value: unknown) => void} */
  let tell = () => {};
  /** @type {(name: string) => void} */
  let open = () => {};
  let frame = 0;
  let drawn = ""; // what the canvases were drawn for

  const controls = createControls(root, {
    onLive: (next) => {
      settings = next;
      requestPaint();
    },
    onSettled: tellServer,
    snap,
  });
  const scatterBox = root.querySelector(".scatter");
  const resized = new ResizeObserver(() => {
    drawn = "";
    requestPaint();
  });
  resized.observe(root);
  controls.dragAlong(scatterBox, (share) => {
    if (!settings.zones) return "sensitivity";
    const [ng, unsure] = [settings.sensitivity, settings.unsure_sensitivity].map(placeNow);
    return Math.abs(share - unsure) < Math.abs(share - ng) || (unsure === ng && share > ng)
      ? "unsure_sensitivity"
      : "sensitivity";
  });
  root.querySelector("[data-slot=save]").onclick = () =>
    controls.change({
      saved_sensitivity: settings.sensitivity,
      saved_kernel_size: settings.kernel_size,
      saved_min_area: settings.min_area,
    });
  const orders = [...root.querySelectorAll("[data-order]")];
  for (const button of orders) button.onclick = () => controls.change({ order: button.dataset.order });

  /** Where a sensitivity lies on the slider's present axis, from 0 to 1. */
  function placeNow(sensitivity) {
    return placeOf(sensitivity, settings.logit_scale, stops.logitSpan);
  }

  /** Bring a setting to the nearest one that was counted. */
  function snap(next) {
    if (!shown) return next;
    const { data, counts } = shown;
    const nearest = (sensitivity) => data.sensitivities[counts.nearestStop(sensitivity)];
    const [sensitivity, unsure] = [nearest(next.sensitivity), nearest(next.unsure_sensitivity)];
    return {
      ...next,
      sensitivity,
      min_area: data.minAreas[counts.nearestArea(next.min_area)],
      unsure_sensitivity: next.zones ? Math.max(sensitivity, unsure) : unsure,
    };
  }

  async function receive(bytes, setStateValue, setTriggerValue) {
    tell = setStateValue;
    open = (name) => setTriggerValue("opened", name);
    const { header: order, arrays } = unpack(bytes);
    stops = unpackStops(arrays.sliders.values);
    const dataset = arrays.dataset.values;
    const wanted = unpack(dataset).header.digest;
    if (order.revision !== revision) {
      revision = order.revision;
      settled = JSON.stringify(order.settings);
      // a slider that the user holds stays with the user; the release answers this order
      if (!controls.isDragging()) settings = order.settings;
    }
    if (wanted !== digest) {
      digest = wanted;
      shown = null;
      root.classList.add("loading");
      const data = await unpackDataset(dataset);
      if (digest !== wanted) return; // a newer payload came meanwhile
      const counts = createCounts(data);
      for (const name of ["flips", "gallery"]) root.querySelector(`[data-slot=${name}]`).replaceChildren();
      shown = {
        data,
        counts,
        scatter: createScatter(root.querySelector("[data-slot=scatter]"), data, counts, stops.logitSpan),
        curves: createCurves(root, counts, data.fprLimit),
        gallery: createGallery(root, data, counts, { onOpen: (name) => open(name), onMore: requestPaint }),
        readout: createReadout(root, data, counts),
      };
      drawn = "";
      root.style.setProperty("--rows", shown.scatter.rows);
      root.classList.remove("loading");
    }
    if (!shown) return;
    controls.show(controls.isDragging() ? settings : snap(settings), order.defaults, stops);
    settings = snap(settings);
    drawn = ""; // the theme may have changed
    requestPaint();
  }

  function tellServer() {
    const answer = JSON.stringify(settings);
    if (answer === settled || !shown) return;
    settled = answer;
    tell("settled", { revision, ...settings });
    shown.readout.announce(measure());
  }

  function places() {
    const { counts } = shown;
    const where = counts.place(settings.sensitivity, settings.kernel_size, settings.min_area);
    const saved = counts.place(settings.saved_sensitivity, settings.saved_kernel_size, settings.saved_min_area);
    const unsureStop = settings.zones
      ? Math.max(where.stop, counts.nearestStop(settings.unsure_sensitivity))
      : where.stop;
    return { where, saved, unsureStop };
  }

  function measure() {
    const { where, unsureStop } = places();
    return shown.counts.at(where, unsureStop);
  }

  function requestPaint() {
    if (shown && settings) frame ||= requestAnimationFrame(paint);
  }

  function paint() {
    frame = 0;
    const { counts, scatter, curves, gallery, readout } = shown;
    const { where, saved, unsureStop } = places();
    root.classList.toggle("zoned", settings.zones);
    root.classList.toggle("tall", settings.by_kind);
    const wanted = `${where.row} ${settings.logit_scale} ${settings.by_kind}`;
    if (wanted !== drawn) {
      const colors = themeColors(root); // this and the canvases' sizes are asked for before anything in the page changes
      scatter.draw(where, settings, colors);
      curves.draw(where, colors);
      showTicks(root, settings.logit_scale, "score", stops.logitSpan);
      drawn = wanted;
    }
    readout.show(counts.at(where, unsureStop), settings);
    scatterBox.style.setProperty("--at", placeNow(settings.sensitivity));
    scatterBox.style.setProperty("--unsure", placeNow(settings.unsure_sensitivity));
    readout.showPoints(curves.movePoints(where));
    readout.showFlips(gallery.flips(where, saved), settings);
    for (const button of orders) button.setAttribute("aria-pressed", String(button.dataset.order === settings.order));
    readout.showGallery(gallery.show(where, unsureStop, settings.order), settings.order);
  }

  Object.defineProperty(root, "draemTuner", {
    value: Object.freeze({ readout: () => shown && measure(), settings: () => ({ ...settings }) }),
    configurable: true,
  });

  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    resized.disconnect();
  }

  return { receive, stop };
}
