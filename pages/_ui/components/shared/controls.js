// The sliders with their number fields, the switches and the reset. Each change is told at once (`onLive`); a release,
// key up or closed field is told as settled (`onSettled`). Knows no map, no panel and no server.

import { formatProbability, formatSensitivity } from "./format.js";
import { logit, thresholdOf } from "./scale.js";
import { nearestStep, sensitivityAt, sensitivityRange } from "./stops.js";

const FIELD_PAUSE = 500; // ms after the last change in a number field until it counts as settled
const MOST_AREA = 1e9; // pixels, in the number field: more than any map has

/** @type {Omit<Slider, "id">} */
const SENSITIVITY = {
  range: ({ logitScale, stops }) => sensitivityRange(logitScale, stops),
  toPosition: (value, { logitScale, stops: { logitSpan } }) =>
    logitScale ? Math.min(logitSpan, Math.max(-logitSpan, logit(value))) : value,
  toValue: (position, { logitScale, stops }) => sensitivityAt(position, logitScale, stops),
  toField: formatSensitivity,
  fromField: (number) => Math.min(1, Math.max(0, number)),
  say: (value) => `${formatSensitivity(value)}, threshold ${formatProbability(thresholdOf(value))}`,
};

/**
 * What the sliders are: `axis` is { logitScale, stops }, positions are the range input's, values the settings'.
 *
 * @typedef {object} Slider
 * @property {string} id
 * @property {boolean} [limitsField] the number field takes what the slider takes, and no more
 * @property {(axis: Axis) => number[]} range least, most, step
 * @property {(value: number, axis: Axis) => number} toPosition
 * @property {(position: number, axis: Axis) => number} toValue
 * @property {(value: number) => string} toField
 * @property {(number: number, stops: Stops) => number} fromField
 * @property {(value: number) => string} say
 *
 * @typedef {import("./stops.js").Stops} Stops
 * @typedef {{ logitScale: boolean, stops: Stops }} Axis
 * @type {Record<string, Slider>}
 */
const SLIDERS = {
  sensitivity: { id: "sensitivity", ...SENSITIVITY },
  unsure_sensitivity: { id: "unsure", ...SENSITIVITY },
  kernel_size: {
    id: "kernel",
    limitsField: true,
    range: ({ stops: { kernelSizes: sizes } }) => [sizes[0], sizes.at(-1), sizes[1] - sizes[0]],
    toPosition: (value) => value,
    toValue: (position) => position,
    toField: String,
    fromField: (number, { kernelSizes }) => kernelSizes[nearestStep(kernelSizes, number)],
    say: (value) => `${value} by ${value} pixels`,
  },
  min_area: {
    id: "area",
    range: ({ stops }) => [0, stops.minAreas.length - 1, 1],
    toPosition: (value, { stops }) => nearestStep(stops.minAreas, value),
    toValue: (position, { stops }) => stops.minAreas[position],
    toField: String,
    fromField: (number) => Math.min(MOST_AREA, Math.max(0, Math.round(number))),
    say: (value) => `${value} pixels`,
  },
  opacity: {
    id: "opacity",
    range: () => [0, 1, 0.01],
    toPosition: (value) => value,
    toValue: (position) => Number(position.toFixed(2)),
    toField: (value) => String(Math.round(100 * value)),
    fromField: (number) => Math.min(1, Math.max(0, number / 100)),
    say: (value) => `${Math.round(100 * value)} percent`,
  },
};

/** `snap` brings a setting to the nearest one that the component knows. */
export function createControls(root, { onLive, onSettled, snap = (setting) => setting }) {
  let settings = null;
  let defaults = null;
  let stops = null; // see stops.js
  let dragged = null; // the range input under the pointer
  let held = false; // an element of dragAlong is under the pointer
  let typed = null; // the number field that is being typed into
  const sliders = Object.entries(SLIDERS)
    .map(([name, slider]) => ({
      ...slider,
      name,
      input: root.querySelector(`#${slider.id}`),
      field: root.querySelector(`#${slider.id}Number`),
    }))
    .filter(({ input }) => input);
  const switches = [...root.querySelectorAll("[data-switch]")];
  const threshold = root.querySelector("[data-slot=threshold]");
  const toggles = [...root.querySelectorAll("[data-toggle]")];
  const reset = root.querySelector("[data-slot=reset]");
  for (const toggle of toggles) toggle.dataset.title = toggle.title;

  const axis = () => ({ logitScale: settings.logit_scale, stops });

  function change(changes) {
    settings = snap({ ...settings, ...changes });
    render();
    onLive(settings);
  }

  function changeAndSettle(changes) {
    change(changes);
    onSettled(settings);
  }

  sliders.forEach(listenToSlider);
  sliders.forEach(listenToField);
  for (const input of switches) input.onchange = () => changeAndSettle({ [input.dataset.switch]: input.checked });
  for (const toggle of toggles)
    toggle.onclick = () => changeAndSettle({ [toggle.dataset.toggle]: !settings[toggle.dataset.toggle] });
  reset.onclick = () => changeAndSettle(Object.fromEntries(sliders.map(({ name }) => [name, defaults[name]])));

  function listenToSlider(slider) {
    const { input, name } = slider;
    let keyIsDown = false;
    let settleOnKeyUp = false;
    const apply = () => change({ [name]: slider.toValue(Number(input.value), axis()) });
    const settle = () => {
      if (keyIsDown) settleOnKeyUp = true;
      else onSettled(settings);
    };
    const release = () => {
      keyIsDown = false;
      if (settleOnKeyUp) onSettled(settings);
      settleOnKeyUp = false;
    };
    input.oninput = apply;
    input.onchange = settle;
    input.onpointerdown = () => (dragged = input);
    input.onpointerup =
      input.onpointercancel =
      input.onlostpointercapture =
        () => {
          if (dragged !== input) return;
          dragged = null;
          render();
          onSettled(settings); // no change event comes where the drag ended where it began
        };
    input.onkeydown = (event) => {
      keyIsDown = true;
      if (event.key !== "PageUp" && event.key !== "PageDown") return;
      event.preventDefault();
      if (event.key === "PageUp") input.stepUp(10);
      else input.stepDown(10);
      apply();
      settle();
    };
    input.onkeyup = input.onblur = release;
  }

  function listenToField({ field, name, fromField }) {
    let pause = null;
    field.oninput = () => {
      if (!Number.isFinite(field.valueAsNumber)) return;
      typed = field;
      change({ [name]: fromField(field.valueAsNumber, stops) });
      clearTimeout(pause);
      pause = setTimeout(() => onSettled(settings), FIELD_PAUSE);
    };
    field.onchange = () => {
      clearTimeout(pause);
      typed = null;
      render();
      onSettled(settings);
    };
  }

  /** The inputs as `settings` say, except one that the user holds or types into. */
  function render() {
    for (const { name, input, field, range, limitsField, toPosition, toField, say } of sliders) {
      const value = settings[name];
      const [least, most, step] = range(axis());
      const position = toPosition(value, axis());
      if (limitsField) Object.assign(field, { min: least, max: most, step });
      if (input !== dragged) {
        Object.assign(input, { min: least, max: most, step });
        input.value = position;
      }
      input.parentElement.style.setProperty("--at", (position - least) / (most - least));
      input.setAttribute("aria-valuetext", say(value));
      if (field !== typed) field.value = toField(value);
    }
    threshold.textContent = formatProbability(thresholdOf(settings.sensitivity));
    for (const input of switches) input.checked = settings[input.dataset.switch];
    for (const toggle of toggles) toggle.setAttribute("aria-pressed", String(settings[toggle.dataset.toggle]));
  }

  /** Let `element`, which spans a sensitivity slider's way, be dragged; `nameAt` says which slider a place is for. */
  function dragAlong(element, nameAt) {
    let slider = null;
    const shareAt = (event) => {
      const { left, width } = element.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - left) / width));
    };
    const move = (event) => {
      if (!slider) return;
      const [least, most, step] = slider.range(axis());
      const position = least + Math.round((shareAt(event) * (most - least)) / step) * step;
      change({ [slider.name]: slider.toValue(position, axis()) });
    };
    element.onpointerdown = (event) => {
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      const name = nameAt(shareAt(event));
      slider = sliders.find((one) => one.name === name);
      held = true;
      move(event);
    };
    element.onpointermove = move;
    element.onpointerup = element.onpointercancel = () => {
      if (!slider) return;
      slider = null;
      held = false;
      onSettled(settings);
    };
  }

  return {
    change: changeAndSettle,
    dragAlong,
    isDragging: () => dragged !== null || held,
    show(next, nextDefaults, nextStops) {
      settings = next;
      defaults = nextDefaults;
      stops = nextStops;
      render();
    },
    /** Switches that need a ground truth are off where there is none, for `reason`. */
    allowTruth(hasTruth, reason) {
      for (const toggle of toggles)
        if (toggle.dataset.toggle !== "show_boxes") {
          toggle.disabled = !hasTruth;
          toggle.title = hasTruth ? toggle.dataset.title : reason;
        }
    },
  };
}
