// The controls of one stage: sliders, lists and seeds, each by hand or with the seed. Knows no server.

import { MINUS } from "../shared/format.js";
import { filled } from "../shared/words.js";

const SEED_SPAN = 100000; // "another" seed is drawn below this

/** The seed next to a number; `most` is the largest. */
export function asSeed(number, most) {
  return Math.min(most, Math.max(0, Math.round(number)));
}

export function element(name, className, text) {
  return Object.assign(document.createElement(name), { className, textContent: text ?? "" });
}

/** One control; `onSet(name, value)` is told each change, null where it goes back to the seed. */
export function createKnob(first, { words, mostSeed }, onSet) {
  const { name, kind } = first;
  const box = element("div", "knob");
  box.dataset.control = name;
  const label = element("label", "", first.label);
  const value = element("output", "");
  const release = element("button", "release", words.release_one);
  /** @type {HTMLInputElement} */ // or a list, which is asked for its value alone
  const input = /** @type {any} */ (document.createElement(kind === "select" ? "select" : "input"));
  input.id = `knob-${name}`;
  label.htmlFor = input.id;
  release.type = "button";
  release.title = filled(words.release, { name: first.label });
  release.setAttribute("aria-label", release.title);
  release.onclick = () => onSet(name, null);
  const line = element("div", "line");
  line.append(label, value, release);
  box.append(line, input);
  let knob = first;
  let held = false;

  if (kind === "select") {
    input.append(...knob.values.map((one, i) => new Option(knob.labels[i], one)));
    input.onchange = () => onSet(name, input.value);
  } else if (kind === "seed") {
    Object.assign(input, { type: "number", min: 0, step: 1 });
    input.onchange = () => {
      if (input.value === "") onSet(name, null);
      else if (Number.isFinite(input.valueAsNumber)) onSet(name, asSeed(input.valueAsNumber, mostSeed));
    };
    const another = element("button", "another", words.new_seed);
    another.type = "button";
    another.onclick = () => onSet(name, Math.floor(Math.random() * SEED_SPAN));
    const row = element("div", "seed");
    row.append(input, another);
    box.append(row);
  } else {
    input.type = "range";
    input.oninput = () => {
      say(chosen());
      onSet(name, chosen());
    };
    input.onpointerdown = () => (held = true);
    input.onpointerup = input.onpointercancel = input.onblur = () => (held = false);
  }

  function chosen() {
    return kind === "steps" ? knob.values[input.valueAsNumber] : input.valueAsNumber;
  }

  /** Tell the value: the exact one where the seed drew it, though the thumb can only stand at a step. */
  function say(exact) {
    const share = (input.valueAsNumber - Number(input.min)) / (Number(input.max) - Number(input.min) || 1);
    input.style.setProperty("--position", `calc(8px + (100% - 16px) * ${share})`);
    value.textContent = told(knob, exact);
    input.setAttribute("aria-valuetext", value.textContent);
  }

  /** Show what the server knows; `isAhead`: it was set again since, and stays as it is here. */
  function show(next, isAhead) {
    if (isAhead) return;
    knob = next;
    box.classList.toggle("by-hand", knob.by_hand);
    release.hidden = !knob.by_hand;
    if (kind === "select") input.value = knob.value;
    else if (kind === "seed") Object.assign(input, { value: knob.value ?? "", placeholder: knob.unit });
    else if (!held) {
      const [least, most, step] = kind === "steps" ? [0, knob.values.length - 1, 1] : [knob.low, knob.high, knob.step];
      Object.assign(input, { min: least, max: most, step });
      input.value = kind === "steps" ? knob.values.indexOf(knob.value) : knob.value;
      say(knob.value);
    }
  }

  return { box, show };
}

/** A value as people read it: as many decimals as the slider's step has. */
function told({ kind, values, labels, step, unit }, value) {
  if (kind === "steps") return labels[values.indexOf(value)];
  const digits = (String(step).split(".")[1] ?? "").length;
  return `${value.toFixed(digits).replace("-", MINUS)}${unit}`;
}
