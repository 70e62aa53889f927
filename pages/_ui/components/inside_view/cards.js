// The stages as cards, in the order of the data, and the opened one with its channels. Knows no server.

import { formatCount, formatProbability, MINUS } from "../shared/format.js";
import { filled } from "../shared/words.js";

export function formatValue(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1000) return String(value).replace("-", MINUS);
  const text = Math.abs(value) >= 1000 || Math.abs(value) < 0.001 ? value.toExponential(2) : value.toPrecision(4);
  return text.replaceAll("-", MINUS);
}

export function formatShape(shape) {
  return shape.join(" × ");
}

export function element(name, className, text) {
  return Object.assign(document.createElement(name), { className, textContent: text ?? "" });
}

/** `values` of the followed pixel as one line, "" where none is followed. */
function valueLine(words, values) {
  return values ? filled(words.here, { values: values.map(formatValue).join("  ") }) : "";
}

export function createCards(root, { onOpen, onChannel, onFollow }) {
  const template = root.querySelector("#card");
  const board = root.querySelector("[data-slot=stages]");
  const detail = element("section", "opened");
  const cards = new Map(); // stage → its elements
  const [scoreCard, verdictCard] = [element("div", "card end"), element("div", "card end")];
  const namesOf = (stages) => stages.map(({ group, name }) => `${group} ${name}`).join("\n");
  let known = ""; // the stages that the cards were built for

  function build(stages) {
    cards.clear();
    const groups = new Map();
    for (const stage of stages) {
      if (!groups.has(stage.group)) {
        const section = element("section", "stage-group");
        const row = element("div", "row");
        section.append(element("h3", "", stage.group), row);
        groups.set(stage.group, { section, row });
      }
      const card = template.content.firstElementChild.cloneNode(true);
      card.dataset.stage = stage.name;
      card.onclick = () => onOpen(stage.name);
      groups.get(stage.group).row.append(card);
      cards.set(stage.name, card);
    }
    [...groups.values()].at(-1).row.append(scoreCard, verdictCard);
    known = namesOf(stages);
    board.replaceChildren(...[...groups.values()].map(({ section }) => section));
  }

  function show(view) {
    if (namesOf(view.stages) !== known) build(view.stages);
    for (const stage of view.stages) {
      const card = cards.get(stage.name);
      const part = (name) => card.querySelector(`.${name}`);
      card.setAttribute("aria-pressed", String(stage.name === view.opened.stage));
      copyCanvas(stage.draw(), card.querySelector("canvas"));
      part("name").textContent = stage.title;
      part("facts").textContent = factsOf(stage, view.words);
      part("value").textContent = valueLine(view.words, view.pixel?.values[stage.name]);
      part("sentence").textContent = stage.sentence;
    }
    showEnds(view);
    keepFocus(detail, () => showOpened(view));
    for (const figure of root.querySelectorAll("[data-result]")) {
      const stage = view.stages.find(({ name }) => name === figure.dataset.result);
      const shown = figure.querySelector(".shown");
      figure.classList.toggle("is-opened", stage.name === view.opened.stage);
      if (!shown.firstChild) shown.append(document.createElement("canvas"));
      copyCanvas(stage.draw(), shown.firstChild);
      shown.onclick = (event) => followAt(event, shown);
    }
  }

  /** What comes of the map and the mask: the image score and the verdict. */
  function showEnds({ words, score, rule, maxima, flagged }) {
    const maximaTold = {
      rule,
      max: formatProbability(maxima.anomaly_map),
      mean: formatProbability(maxima.window_mean),
    };
    scoreCard.replaceChildren(
      element("strong", "", formatProbability(score)),
      element("span", "name", words.score_title),
      element("span", "sentence", filled(words.score_sentence, maximaTold)),
    );
    verdictCard.replaceChildren(
      element("strong", flagged ? "bad" : "good", flagged ? "NG" : "OK"),
      element("span", "name", words.verdict_title),
      element(
        "span",
        "sentence",
        flagged ? filled(words.verdict_bad, { count: formatCount(flagged) }) : words.verdict_good,
      ),
    );
  }

  function followAt(event, box) {
    const { left, top, width, height } = box.getBoundingClientRect();
    onFollow((event.clientX - left) / width, (event.clientY - top) / height);
  }

  function showOpened(view) {
    const stage = view.stages.find(({ name }) => name === view.opened.stage);
    const large = element("div", "large");
    const canvas = stage.draw();
    large.onclick = (event) => followAt(event, large);
    large.append(canvas);
    const words = element("div", "words");
    const [low, high] = stage.ends;
    const isPicture = stage.scale === null;
    words.append(
      element("h3", "", `${stage.group.slice(4)}: ${stage.title}`),
      element("p", "", stage.sentence),
      element(
        "p",
        "facts",
        filled(view.words.facts, { shape: formatShape(stage.shape), range: stage.range.map(formatValue).join(" … ") }),
      ),
    );
    if (!isPicture) words.append(colourBar(view.scales[stage.scale], low, high));
    if (view.channels.length > 1) words.append(channelPicker(view, stage));
    detail.replaceChildren(large, words);
    cards.get(stage.name).closest(".stage-group").append(detail);
  }

  function channelPicker(view, stage) {
    const box = element("div", "channels");
    const most = stage.shape[0] - 1;
    const field = Object.assign(element("input", ""), { type: "number", min: 0, max: most, value: stage.channel });
    field.dataset.focus = "channel";
    field.onchange = () => onChannel(Math.min(most, Math.max(0, Math.round(field.valueAsNumber || 0))));
    const label = element("label", "field", filled(view.words.channel, { most }));
    label.append(field);
    const row = element("div", "row");
    for (const one of view.channels) {
      const button = element("button", "channel");
      button.type = "button";
      button.dataset.focus = `channel ${one.channel}`;
      button.setAttribute("aria-label", filled(view.words.channel_shown, { channel: one.channel }));
      button.setAttribute("aria-pressed", String(one.channel === stage.channel));
      button.append(one.draw(), element("small", "", String(one.channel)));
      button.onclick = () => onChannel(one.channel);
      row.append(button);
    }
    box.append(label, row);
    return box;
  }

  /** Bring a part that Python asked for under the window's top; the followed pixel's numbers to its bottom. */
  function scrollTo(part) {
    const place =
      part === "stage" ? detail.closest(".stage-group") : root.querySelector(`section.${part}, div.${part}`);
    place.scrollIntoView({ block: part === "pixel" ? "end" : "start" });
  }

  return { show, scrollTo, scrollToOpened: () => detail.scrollIntoView({ behavior: "smooth", block: "nearest" }) };
}

function factsOf(stage, words) {
  const facts = [formatShape(stage.shape), stage.range.map(formatValue).join(" … ")];
  if (stage.scale !== null && stage.shape[0] > 1) facts.push(filled(words.channel_shown, { channel: stage.channel }));
  return facts.join(" · ");
}

/** Rebuild what lies in `box`; an element with a data-focus that had the focus has it again. */
export function keepFocus(box, rebuild) {
  const held = box.getRootNode().activeElement;
  const name = held && box.contains(held) ? held.dataset.focus : undefined;
  rebuild();
  if (name) box.querySelector(`[data-focus="${name}"]`)?.focus({ preventScroll: true });
}

function copyCanvas(from, to) {
  Object.assign(to, { width: from.width, height: from.height });
  to.getContext("2d").drawImage(from, 0, 0);
}

function colourBar(rgb, low, high) {
  const steps = Array.from({ length: 17 }, (_, i) => {
    const at = 3 * Math.round((i * 255) / 16);
    return `rgb(${rgb.slice(at, at + 3).join(" ")})`;
  });
  const bar = element("div", "bar");
  const strip = element("i", "");
  strip.style.background = `linear-gradient(to right, ${steps.join(", ")})`;
  bar.append(element("small", "", formatValue(low)), strip, element("small", "", formatValue(high)));
  return bar;
}
