// Wires the Inside page's view: payload in, pictures out; strokes, opened stage and followed pixel back. What is on the
// screen stays until the answer to the last stroke is there.

import { formatCount, formatProbability } from "../shared/format.js";
import { filled, showWords } from "../shared/words.js";
import { createCards } from "./cards.js";
import { showPlan } from "./diagram.js";
import { createPainter } from "./painter.js";
import { showPixel } from "./pixel.js";
import { unpackView } from "./stages.js";

const views = new WeakMap(); // root element → view

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".draem-inside");
  if (!views.has(root)) views.set(root, createView(root));
  views.get(root).receive(data, setStateValue);
}

function createView(root) {
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  let view = null;
  let selection = null;
  let click = 0; // number of the last selection that was sent
  let stroke = 0; // and of the last stroke
  let sentAt = 0;
  let waited = null; // ms from a stroke to its result
  let isOpening = false; // a stage was asked for that is to be scrolled to
  /** @type {(name: string, value: unknown) => void} */
  let send = () => {};

  const painter = createPainter(root, { onStroke: tellStroke, onFollow: follow, onPlace: sayPlace });
  const cards = createCards(root, { onOpen: open, onChannel: (channel) => tell({ channel }), onFollow: follow });

  document.addEventListener("lesson-step", () => {
    if (root.isConnected && view?.order.number) cards.scrollTo(view.order.part);
  });

  function receive(bytes, setStateValue) {
    send = setStateValue;
    const next = unpackView(bytes);
    const isOtherPicture = next.picture.digest !== view?.picture.digest;
    if (!isOtherPicture && next.stroke < stroke) return; // answers an older stroke; the newer one is on its way
    if (view === null) click = next.click;
    if (isOtherPicture) [stroke, sentAt, waited] = [next.stroke, 0, null]; // each picture counts its own
    const isOrder = next.order.number > (view?.order.number ?? 0);
    view = next;
    if (selection === null || next.click === click) selection = next.selection;
    show();
    if (isOrder) cards.scrollTo(view.order.part);
    if (sentAt && view.stroke === stroke) requestAnimationFrame(showTime);
  }

  /** Say how long the result on the screen took, unless another stroke was begun since. */
  function showTime() {
    if (!sentAt || view.stroke !== stroke) return;
    [waited, sentAt] = [performance.now() - sentAt, 0];
    showState();
  }

  function show() {
    showWords(root, view.words);
    painter.receive(view);
    painter.mark(view.pixel);
    root.style.setProperty("--ratio", view.picture.width / view.picture.height);
    cards.show(view);
    showPixel(root, view, () => tell({ row: -1, column: -1 }));
    showPlan(root, view, open);
    slot("title").textContent = view.title;
    slot("verdict").textContent = view.flagged ? "NG" : "OK";
    slot("verdict").className = view.flagged ? "bad" : "good";
    slot("score").textContent = formatProbability(view.score);
    slot("rule").textContent = view.rule;
    slot("max").textContent = formatProbability(view.maxima.anomaly_map);
    slot("mean").textContent = formatProbability(view.maxima.window_mean);
    slot("flagged").textContent = filled(view.words.pixels, { count: formatCount(view.flagged) });
    showState();
    if (isOpening && selection.stage === view.opened.stage) cards.scrollToOpened();
    isOpening &&= selection.stage !== view.opened.stage;
  }

  function showState() {
    const { computing, result_after: resultAfter } = view.words;
    const took = waited === null ? "" : filled(resultAfter, { seconds: (waited / 1000).toFixed(2) });
    slot("state").textContent = sentAt ? computing : took;
  }

  function tellStroke(painting) {
    stroke += 1;
    sentAt = performance.now();
    waited = null;
    showState();
    send("painting", { ...painting, stroke });
  }

  function tell(changes) {
    selection = { ...selection, ...changes };
    click += 1;
    send("selection", { ...selection, click });
  }

  function open(stage) {
    isOpening = true;
    tell({ stage, channel: -1 });
  }

  /** The map's pixel at a place in shares of the picture. */
  function pixelAt(u, v) {
    const cell = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return { row: cell(v, view.grid.height), column: cell(u, view.grid.width) };
  }

  function follow(u, v) {
    tell(pixelAt(u, v));
  }

  function sayPlace(u, v) {
    slot("announce").textContent = filled(view.words.pixel, pixelAt(u, v));
  }

  Object.defineProperty(root, "draemInside", {
    value: Object.freeze({
      stroke: () => view.stroke,
      sent: () => stroke,
      waited: () => waited,
      score: () => view.score,
    }),
    configurable: true,
  });

  return { receive };
}
