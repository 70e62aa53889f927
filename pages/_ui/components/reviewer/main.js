// Wires one reviewer: payload in, frames out, the settled epoch back. Everything follows one epoch; all work is done in
// an animation frame; pictures that are not decoded yet appear as soon as they are.

import { themeColors } from "../shared/theme.js";
import { unpack } from "../shared/unpack.js";
import { createBoard } from "./board.js";
import { createCharts } from "./chart.js";
import { createHeat } from "./heat.js";
import { createRun } from "./run.js";
import { createTable } from "./table.js";

const reviewers = new WeakMap(); // root element → reviewer

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".draem-reviewer");
  if (!reviewers.has(root)) reviewers.set(root, createReviewer(root));
  const one = reviewers.get(root);
  one.receive(data, setStateValue);
  return one.stop;
}

function createReviewer(root) {
  let digest = "";
  let decoded = null; // the digest whose pictures are all there
  let shown = null; // { runs, board, charts, table, heat }
  let settings = null;
  let settled = null; // the settings that the server knows
  let latest = null; // its last order
  let revision = null;
  /** @type {(name: string, value: unknown) => void} */
  let tell = () => {};
  let frame = 0;
  let playing = 0; // the interval's id
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const [slider, otherSlider] = [root.querySelector("#epoch"), root.querySelector("#otherEpoch")];
  const switches = [...root.querySelectorAll("[data-switch]")];
  const choices = ["measure", "against"].flatMap((name) =>
    [...root.querySelectorAll(`[data-${name}]`)].map((button) => ({ name, button, value: button.dataset[name] })),
  );

  slider.oninput = () => {
    halt();
    showEpoch(shown.runs[0].epochs[slider.value]);
  };
  slider.onpointerdown = slider.onkeydown = () => shown && pause(); // also where the thumb stays where it is
  slider.onchange = tellServer;
  otherSlider.oninput = () => change({ other_epoch: shown.runs.at(-1).epochs[otherSlider.value] });
  otherSlider.onchange = tellServer;
  for (const input of switches)
    input.onchange = () => {
      change({ [input.dataset.switch]: input.checked });
      tellServer();
    };
  for (const { name, button, value } of choices)
    button.onclick = () => {
      change({ [name]: value });
      tellServer();
    };
  slot("play").onclick = () => (playing ? pause() : play());
  slot("back").onclick = () => step(-1);
  slot("on").onclick = () => step(1);
  slot("speed").onchange = () => playing && play();

  async function receive(bytes, setStateValue) {
    tell = setStateValue;
    const { header, arrays } = unpack(bytes);
    latest = header;
    const runs = Object.values(arrays).map(({ values }) => createRun(values)); // "run" and, to compare with it, "other"
    const wanted = runs.map((run) => run.digest).join(" ");
    if (wanted !== digest) {
      digest = wanted;
      pause();
      const originals = await Promise.all(runs.map((run) => run.originals()));
      if (digest !== wanted) return; // a newer payload came meanwhile
      const [run] = runs;
      if (settings) settings = atLastEpochs(); // what was left at the last epoch follows a run that grows
      shown = {
        runs,
        board: createBoard(root, runs, originals, { onWipe: moveWipe }),
        charts: createCharts(root, run, { onEpoch: pickEpoch }),
        table: createTable(root, run, { onEpoch: pickEpoch }),
        heat: createHeat(root, run),
      };
      slot("otherName").textContent = runs.length > 1 ? runs[1].name : "epoch";
      slot("note").textContent = run.thinned ? `${run.epochs.length} of the run's epochs are shown, evenly.` : "";
      decodeAll(runs, wanted);
    }
    if (!shown) return;
    if (latest.revision !== revision) {
      revision = latest.revision;
      settings = settled = latest.settings;
    }
    settings = known(settings);
    requestPaint();
    root.classList.remove("loading");
  }

  /** Settings whose epochs are there: the nearest one below, the last one for 0. */
  function known(asked) {
    const nearest = (run, epoch) =>
      epoch ? (run.epochs.findLast((one) => one <= epoch) ?? run.epochs[0]) : run.epochs.at(-1);
    return {
      ...asked,
      epoch: nearest(shown.runs[0], asked.epoch),
      other_epoch: nearest(shown.runs.at(-1), asked.other_epoch),
    };
  }

  /** The settings, with 0 for an epoch that the server knows as "the last one". */
  function atLastEpochs() {
    const next = { ...settings };
    for (const name of ["epoch", "other_epoch"]) if (settled[name] === 0) next[name] = 0;
    return next;
  }

  /** The settings for the server: an epoch that was left at the last one stays "the last one". */
  function answerOf() {
    const answer = { ...settings };
    const ends = { epoch: shown.runs[0].epochs.at(-1), other_epoch: shown.runs.at(-1).epochs.at(-1) };
    for (const [name, end] of Object.entries(ends)) if (settled[name] === 0 && answer[name] === end) answer[name] = 0;
    return answer;
  }

  async function decodeAll(runs, wanted) {
    for (const run of runs)
      for (const epoch of run.firstEpochs) {
        if (digest !== wanted) return;
        await run.load(epoch);
        if (settings && (epoch === settings.epoch || epoch === settings.other_epoch)) requestPaint();
      }
    decoded = wanted;
  }

  function change(changes) {
    settings = known({ ...settings, ...changes });
    requestPaint();
  }

  const showEpoch = (epoch) => change({ epoch });

  function pickEpoch(epoch, isSettled) {
    halt();
    showEpoch(epoch);
    if (isSettled) tellServer();
  }

  function moveWipe(wipe) {
    if (wipe === null) tellServer();
    else if (settings.compare) change({ wipe: Math.round(wipe * 1000) / 1000 });
  }

  function step(by, wrap = false) {
    const { epochs } = shown.runs[0];
    const next = epochs.indexOf(settings.epoch) + by;
    if (!wrap && !(next in epochs)) return;
    showEpoch(epochs[(next + epochs.length) % epochs.length]);
    if (!playing) tellServer();
  }

  function play() {
    halt();
    const { epochs } = shown.runs[0];
    if (settings.epoch === epochs.at(-1)) showEpoch(epochs[0]);
    playing = setInterval(
      () => {
        const isLast = settings.epoch === epochs.at(-1);
        if (isLast && !slot("loop").checked) pause();
        else step(1, true);
      },
      1000 / Number(slot("speed").value),
    );
    slot("play").textContent = "Pause";
  }

  function halt() {
    clearInterval(playing);
    playing = 0;
    slot("play").textContent = "Play";
  }

  function pause() {
    if (!playing) return;
    halt();
    tellServer();
  }

  function tellServer() {
    const answer = answerOf();
    if (JSON.stringify(answer) === JSON.stringify(settled)) return;
    settled = answer;
    tell("settled", { revision, ...answer });
    slot("announce").textContent = `Epoch ${settings.epoch}`;
  }

  function requestPaint() {
    if (shown && settings) frame ||= requestAnimationFrame(paint);
  }

  function paint() {
    frame = 0;
    const { runs, board, charts, table, heat } = shown;
    const [run] = runs;
    const other = runs.at(-1);
    const colors = themeColors(root);
    if (!board.draw(settings.epoch, settings.other_epoch, settings)) {
      run.load(settings.epoch).then(requestPaint);
      if (settings.compare) other.load(settings.other_epoch).then(requestPaint);
    }
    setSlider(slider, run.epochs, settings.epoch);
    setSlider(otherSlider, other.epochs, settings.other_epoch);
    slot("epochName").textContent = `${settings.epoch} of ${run.charts.epochs.at(-1)}`;
    slot("otherEpochName").textContent = String(settings.other_epoch);
    for (const input of switches) input.checked = settings[input.dataset.switch];
    for (const { name, button, value } of choices)
      button.setAttribute("aria-pressed", String(value === settings[name]));
    root.classList.toggle("comparing", settings.compare);
    charts.draw(settings.epoch, colors);
    table.mark(settings.epoch);
    heat.draw(settings.epoch, settings, colors);
  }

  const resized = new ResizeObserver(requestPaint);
  resized.observe(root);

  Object.defineProperty(root, "draemReviewer", {
    value: Object.freeze({ settings: () => ({ ...settings }), decoded: () => decoded === digest }),
    configurable: true,
  });

  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    halt();
    resized.disconnect();
  }

  return { receive, stop };
}

function setSlider(input, epochs, epoch) {
  const at = epochs.indexOf(epoch);
  Object.assign(input, { min: 0, max: epochs.length - 1, step: 1 });
  if (Number(input.value) !== at) input.value = at;
  input.parentElement.style.setProperty("--at", epochs.length > 1 ? at / (epochs.length - 1) : 0);
  input.setAttribute("aria-valuetext", `epoch ${epoch}`);
}
