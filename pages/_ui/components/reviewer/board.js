// The probes: a row each for original, reconstruction, |difference| and anomaly map; a column for each image.

import { formatScore } from "../shared/format.js";

const ROWS = ["original", "reconstruction", "difference", "map"];

export function createBoard(root, runs, originals, { onWipe }) {
  const [run, other] = runs;
  const canvases = Object.fromEntries(ROWS.map((row) => [row, root.querySelector(`[data-row=${row}]`)]));
  for (const canvas of Object.values(canvases)) {
    Object.assign(canvas, run.size);
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      moveWipe(canvas, event);
    };
    canvas.onpointermove = (event) => canvas.hasPointerCapture(event.pointerId) && moveWipe(canvas, event);
    canvas.onpointerup = () => onWipe(null);
  }
  const heads = root.querySelector("[data-slot=heads]");
  root.style.setProperty("--probes", run.probes.length);
  heads.replaceChildren(
    ...run.probes.map(({ name, kind, label }) => {
      const head = document.createElement("div");
      const title = Object.assign(document.createElement("span"), { textContent: kind || name });
      const score = document.createElement("b");
      score.className = label ? "defect" : "good";
      head.title = name;
      head.append(title, score);
      return head;
    }),
  );
  const scores = [...heads.querySelectorAll("b")];

  function moveWipe(canvas, event) {
    const { left, width } = canvas.getBoundingClientRect();
    const cell = width / run.probes.length;
    onWipe(((((event.clientX - left) % cell) + cell) % cell) / cell);
  }

  /** Draw `epoch` of the run and, right of the wipe, `otherEpoch`; false where one is not decoded yet. */
  function draw(epoch, otherEpoch, { compare, wipe, truth }) {
    const second = other ?? run;
    const [now, then] = [run.at(epoch), compare ? second.at(otherEpoch) : null];
    if (!now || (compare && !then)) return false;
    for (const row of ROWS) {
      const context = canvases[row].getContext("2d");
      context.drawImage(row === "original" ? originals[0].original : now[row], 0, 0);
      if (compare) {
        const { width, height } = run.side;
        const from = Math.round(wipe * width);
        const source = row === "original" ? originals.at(-1).original : then[row];
        for (let probe = 0; probe < Math.min(run.probes.length, second.probes.length); probe++) {
          const left = probe * width + from;
          if (width > from) context.drawImage(source, left, 0, width - from, height, left, 0, width - from, height);
          context.fillStyle = "#ffffff";
          context.fillRect(left, 0, 1, height);
        }
      }
      if (truth) context.drawImage(originals[0].contours, 0, 0);
    }
    const index = run.epochs.indexOf(epoch);
    run.scores[index].forEach((score, probe) => {
      const text = formatScore(score);
      if (scores[probe].textContent !== text) scores[probe].textContent = text;
    });
    return true;
  }

  return { draw };
}
