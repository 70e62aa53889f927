// Wires one view of a sample: payload in, pictures out; what is set goes back. One answer is on its way at a time, so a
// slider that is dragged is followed as fast as the server draws, and what is on the screen stays meanwhile.

import { filled, showWords } from "../shared/words.js";
import { createCards, showPicture } from "./cards.js";
import { asSeed, element } from "./knobs.js";
import { unpackView } from "./view.js";

const steppers = new WeakMap(); // root element → stepper
const GIVE_UP = 8000; // ms after which an answer counts as lost
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".draem-synthetic");
  if (!steppers.has(root)) steppers.set(root, createStepper(root));
  steppers.get(root).receive(data, setStateValue);
}

function createStepper(root) {
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  let view = null;
  let answer = null; // what is set, as far as the browser knows
  let click = 0; // number of the last answer that was sent
  let sentAt = 0; // ms; 0 when nothing is on its way
  let isStale = false; // something was set while an answer was on its way
  let waited = null; // ms from the last answer to its picture
  /** @type {(name: string, value: unknown) => void} */
  let send = () => {};

  const cards = createCards(root, { onSet: (name, value) => tell({ [name]: value }), onPoint: point });
  slot("previous").onclick = () => tell({ seed: answer.seed - 1 });
  slot("next").onclick = () => tell({ seed: answer.seed + 1 });
  slot("seed").onchange = ({ target }) => {
    if (Number.isFinite(target.valueAsNumber)) tell({ seed: asSeed(target.valueAsNumber, view.most_seed) });
  };

  document.addEventListener("lesson-step", () => {
    if (root.isConnected && answer?.step) cards.scrollTo(answer.step);
  });

  function receive(bytes, setStateValue) {
    send = setStateValue;
    const next = unpackView(bytes);
    const isOrder = next.revision !== view?.revision;
    if (!isOrder && next.click < click && sentAt) return; // answers an older click; the newer one is on its way
    view = next;
    if (isOrder) [answer, click, sentAt, isStale] = [view.answer, Math.max(click, view.click), 0, false];
    if (sentAt) [waited, sentAt] = [performance.now() - sentAt, 0];
    if (!isStale) answer = view.answer;
    show();
    if (isOrder && answer.step) cards.scrollTo(answer.step);
    if (isStale) post();
  }

  function tell(changes) {
    answer = { ...answer, ...changes };
    isStale = true;
    if (!sentAt || performance.now() - sentAt > GIVE_UP) post();
  }

  function post() {
    click += 1;
    isStale = false;
    sentAt = performance.now();
    showState();
    send("answer", { ...answer, revision: view.revision, click });
  }

  function point(stage) {
    tell({ step: answer.step === stage ? "" : stage });
    cards.point(answer.step);
  }

  function show() {
    const { words } = view;
    showWords(root, words);
    slot("previous").disabled = answer.seed <= 0;
    if (slot("seed") !== root.getRootNode().activeElement || !isStale) slot("seed").value = answer.seed;
    showChoices(slot("kind"), Object.entries(view.kinds), answer.kind, (kind) => tell({ kind }));
    const draws = [
      ["", words.as_drawn],
      ["painted", words.anomalous],
      ["clean", words.clean],
    ];
    showChoices(slot("coin"), draws, answer.coin ?? "", (coin) => tell({ coin: coin || null }));
    showTold();
    showHands();
    showHero();
    slot("verdict").replaceChildren(
      ...view.verdict.map(([name, value]) => {
        const pair = element("div", "");
        pair.append(element("dt", "", name), element("dd", "", value));
        return pair;
      }),
    );
    showPixel();
    cards.show(view, answer);
    cards.point(answer.step);
    showState();
  }

  /** What the seed drew, and, for a clean sample, a way to make it anomalous nevertheless. */
  function showTold() {
    const told = slot("told");
    told.replaceChildren(view.anomaly_draw);
    if (!view.is_clean) return;
    const button = element("button", "link", view.words.make_anomalous);
    button.type = "button";
    button.onclick = () => tell({ coin: "painted" });
    told.append(" ", view.words.clean_note, " ", button);
  }

  function showHands() {
    const names = Object.entries(view.by_hand);
    const { words } = view;
    if (!names.length) return slot("hands").replaceChildren(element("span", "", words.nothing_by_hand));
    const release = (name, label, changes) => {
      const button = element("button", "chip", name);
      button.type = "button";
      button.title = label;
      button.setAttribute("aria-label", label);
      button.onclick = () => tell(changes);
      return button;
    };
    const chips = names.map(([name, label]) =>
      release(`${label} ×`, filled(words.release, { name: label }), { [name]: null }),
    );
    const all = release(words.release_all, words.release_all, Object.fromEntries(names.map(([name]) => [name, null])));
    all.classList.add("all");
    slot("hands").replaceChildren(element("span", "", words.by_hand), ...chips, all);
  }

  function showHero() {
    const hero = slot("hero");
    if (hero.children.length !== view.hero.length) hero.replaceChildren(...view.hero.map(createFigure));
    view.hero.forEach((key, i) => {
      const card = view.cards.find((one) => one.key === key);
      const [shown, caption] = hero.children[i].children;
      hero.children[i].dataset.result = key;
      shown.setAttribute("aria-label", `${card.title}. ${card.facts.join(". ")}. ${view.words.click_note}`);
      showPicture(shown, card, view);
      caption.textContent = card.title;
    });
  }

  /** A large picture: a click follows the pixel there, the arrow keys move on from it, or from the middle. */
  function createFigure() {
    const figure = element("figure", "");
    const shown = element("div", "shown");
    shown.setAttribute("role", "img");
    shown.tabIndex = 0;
    shown.onclick = ({ clientX, clientY }) => {
      const { left, top, width, height } = shown.getBoundingClientRect();
      const [rows, columns] = view.grid;
      follow(((clientY - top) / height) * rows, ((clientX - left) / width) * columns);
    };
    shown.onkeydown = (event) => {
      const [down, right] = MOVES[event.key] ?? [];
      if (down === undefined) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      const [rows, columns] = view.grid;
      if (answer.at_row < 0) follow(rows / 2, columns / 2);
      else follow(answer.at_row + far * down, answer.at_column + far * right);
    };
    figure.append(shown, element("figcaption", ""));
    return figure;
  }

  function follow(row, column) {
    const [rows, columns] = view.grid;
    const within = (place, count) => Math.min(count - 1, Math.max(0, Math.floor(place)));
    tell({ at_row: within(row, rows), at_column: within(column, columns) });
  }

  function showPixel() {
    const { words, pixel } = view;
    if (!pixel) return slot("pixel").replaceChildren(element("span", "hint", words.click_note));
    const list = element("dl", "");
    for (const [name, value] of pixel) list.append(element("dt", "", name), element("dd", "", value));
    const forget = element("button", "link", words.forget);
    forget.type = "button";
    forget.onclick = () => tell({ at_row: -1, at_column: -1 });
    slot("pixel").replaceChildren(list, forget);
  }

  function showState() {
    const late = waited === null ? "" : `${(waited / 1000).toFixed(2)} s`;
    slot("state").textContent = sentAt ? view.words.computing : late;
  }

  Object.defineProperty(root, "draemSynthetic", {
    value: Object.freeze({ isSettled: () => !sentAt && !isStale, waited: () => waited, answer: () => answer }),
    configurable: true,
  });

  return { receive };
}

/** A row of buttons of which one is pressed. */
function showChoices(box, choices, current, onPick) {
  if (box.children.length !== choices.length)
    box.replaceChildren(...choices.map(() => Object.assign(element("button", ""), { type: "button" })));
  choices.forEach(([value, label], i) => {
    const button = box.children[i];
    button.textContent = label;
    button.dataset.value = value;
    button.setAttribute("aria-pressed", String(value === current));
    button.onclick = () => onPick(value);
  });
}
