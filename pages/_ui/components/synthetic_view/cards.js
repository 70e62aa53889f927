// The stages as cards, in the order of the data, under their groups' headings. Knows no server.

import { MINUS } from "../shared/format.js";
import { svg } from "../shared/svg.js";
import { filled } from "../shared/words.js";
import { createKnob, element } from "./knobs.js";

export function createCards(root, { onSet, onPoint }) {
  const board = root.querySelector("[data-slot=stages]");
  let cards = new Map(); // stage → its elements
  let shown = ""; // which stages and controls there are

  function show(view, answer) {
    const wanted = view.cards.map(({ key, group, controls }) => `${group} ${key} ${controls.map(({ name }) => name)}`);
    if (wanted.join() !== shown) build(view);
    shown = wanted.join();
    for (const card of view.cards) cards.get(card.key).show(card, view, answer);
  }

  function build(view) {
    cards = new Map(view.cards.map((card) => [card.key, createCard(card, view, { onSet, onPoint })]));
    const groups = new Map();
    for (const { group, key } of view.cards) {
      if (!groups.has(group)) {
        const section = element("section", "stage-group");
        const row = element("div", "row");
        section.append(element("h3", "", group), row);
        groups.set(group, { section, row });
      }
      groups.get(group).row.append(cards.get(key).box);
    }
    board.replaceChildren(...[...groups.values()].map(({ section }) => section));
  }

  function point(stage) {
    for (const [key, card] of cards) card.point(key === stage);
  }

  return { show, point, scrollTo: (stage) => cards.get(stage)?.box.scrollIntoView({ block: "center" }) };
}

function createCard(first, { words, most_seed: mostSeed }, { onSet, onPoint }) {
  const box = element("article", "card");
  box.dataset.stage = first.key;
  box.id = `stage-${first.key}`;
  const picture = element("button", "picture");
  picture.type = "button";
  picture.onclick = () => onPoint(first.key);
  const [name, facts, sentence] = [element("h4", "name"), element("ul", "facts"), element("p", "sentence")];
  const bar = element("div", "bar");
  const knobs = new Map(first.controls.map((one) => [one.name, createKnob(one, { words, mostSeed }, onSet)]));
  box.append(picture, bar, name, sentence, facts, ...[...knobs.values()].map((knob) => knob.box));
  let title = "";

  function show(card, view, answer) {
    title = card.title;
    showPicture(picture, card, view);
    showBar(bar, card, view.bars[card.scale]);
    name.textContent = card.title;
    sentence.textContent = card.sentence;
    facts.replaceChildren(...card.facts.map((fact) => element("li", "", fact)));
    for (const one of card.controls) knobs.get(one.name).show(one, answer[one.name] !== view.answer[one.name]);
  }

  function point(isPointed) {
    box.classList.toggle("pointed", isPointed);
    picture.setAttribute("aria-expanded", String(isPointed));
    picture.setAttribute("aria-label", filled(isPointed ? words.shrink : words.enlarge, { title }));
  }

  return { box, show, point };
}

/** A card's pixels, its drawing and the followed pixel's cross; a picture that is a part of the grid's is enlarged. */
export function showPicture(box, card, { grid: [height, width], at }) {
  const isPart = card.has_picture && !(card.height === height && card.width === width);
  box.style.aspectRatio = `${width} / ${height}`;
  box.classList.toggle("enlarged", isPart);
  const parts = [];
  if (card.has_picture) {
    const canvas = document.createElement("canvas");
    card.draw(canvas);
    parts.push(canvas);
  }
  const paths = { ...card.drawing, ...(at && !isPart ? cross(at, height) : {}) };
  if (Object.keys(paths).length) {
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const [name, path] of Object.entries(paths)) drawing.append(svg("path", { d: path, class: name }));
    parts.push(drawing);
  }
  box.replaceChildren(...parts);
}

function cross([row, column], height) {
  const [x, y, gap, arm] = [column + 0.5, row + 0.5, height / 60, height / 18];
  const d = [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]
    .map(([a, b]) => `M${x + gap * a} ${y + gap * b}L${x + arm * a} ${y + arm * b}`)
    .join("");
  return { casing: d, cross: d };
}

function showBar(bar, card, rgb) {
  if (!card.ends) return bar.replaceChildren();
  const steps = Array.from({ length: 17 }, (_, i) => {
    const at = 3 * Math.round((i * 255) / 16);
    return `rgb(${rgb.slice(at, at + 3).join(" ")})`;
  });
  const strip = element("i", "");
  strip.style.background = `linear-gradient(to right, ${steps.join(", ")})`;
  const [low, high] = card.ends.map((end) => String(end).replace("-", MINUS));
  bar.replaceChildren(element("small", "", low), strip, element("small", "", high));
}
