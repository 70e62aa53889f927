// Epochs × images: each score coloured on the fixed scale, AUROC at the row's end. A click goes to the epoch.

import { formatScore, UNDEFINED } from "../shared/format.js";

export function createTable(root, run, { onEpoch }) {
  const table = root.querySelector("[data-slot=scores]");
  const head = table.createTHead();
  head.replaceChildren();
  const titles = head.insertRow();
  const addHead = (text, title) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = text;
    cell.title = title ?? "";
    titles.append(cell);
  };
  addHead("epoch");
  for (const { name, kind } of run.probes) addHead(kind || name, name);
  addHead("AUROC", "Image AUROC over these probe images alone");
  const body = table.tBodies[0] ?? table.createTBody();
  body.replaceChildren();
  const rows = run.epochs.map((epoch, index) => {
    const row = body.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: String(epoch) });
    button.setAttribute("aria-label", `Show epoch ${epoch}`);
    button.onclick = () => onEpoch(epoch, true);
    name.append(button);
    row.append(name);
    run.scores[index].forEach((score, probe) => {
      const cell = row.insertCell();
      cell.textContent = score === null ? UNDEFINED : score.toFixed(2);
      if (score === null) return;
      const color = 3 * Math.min(255, Math.floor(score * 256));
      cell.style.background = `rgb(${run.colormap.slice(color, color + 3).join(",")})`;
      cell.style.color = score > 0.6 ? "#1b2026" : "#ffffff";
      cell.title = `${run.probes[probe].name}, epoch ${epoch}: ${score.toFixed(4)}`;
    });
    row.insertCell().textContent = formatScore(run.aurocs[index]);
    return row;
  });
  let marked = null;
  const scroller = table.parentElement;

  /** Scroll the table alone, never the page, by as little as shows the row. */
  function keepInSight(row) {
    const { offsetTop: top, offsetHeight: height } = row;
    const highest = top - titles.offsetHeight;
    if (scroller.scrollTop > highest) scroller.scrollTop = highest;
    else scroller.scrollTop = Math.max(scroller.scrollTop, top + height - scroller.clientHeight);
  }

  return {
    mark(epoch) {
      const row = rows[run.epochs.indexOf(epoch)];
      if (row === marked) return;
      marked?.classList.remove("present");
      row?.classList.add("present");
      marked = row;
      if (row) keepInSight(row);
    },
  };
}
