// The network's plan as a picture: a block a stage, as high as its features and as wide as its channels are many.
// A click opens the stage. Knows no server.

import { formatCount } from "../shared/format.js";
import { svg } from "../shared/svg.js";
import { filled } from "../shared/words.js";
import { element, formatShape, keepFocus } from "./cards.js";

const PLAN = { height: 250, gap: 12, tallest: 150, top: 44 };

function formatLarge(value) {
  const [size, unit] = value >= 1e9 ? [1e9, " G"] : value >= 1e6 ? [1e6, " M"] : value >= 1e3 ? [1e3, " k"] : [1, ""];
  return `${(value / size).toPrecision(3)}${unit}`;
}

function blockColour(path) {
  if (path.endsWith("fin_out")) return "end";
  return path.includes("encoder") ? "encoder" : "decoder";
}

export function showPlan(root, { plan, opened, stages, words }, onOpen) {
  const totals = { parameters: formatLarge(plan.parameters), flops: formatLarge(plan.flops) };
  root.querySelector("[data-slot=planFacts]").textContent = filled(words.plan, {
    ...totals,
    size: plan.input_size.join(" × "),
  });
  const titles = new Map(stages.map(({ name, title }) => [name, title]));
  const largest = Math.max(...plan.blocks.map(({ output }) => output[1]));
  const middle = PLAN.top + PLAN.tallest / 2;
  const places = new Map();
  let x = 8;
  for (const block of plan.blocks) {
    if (block.path === "discriminative_subnetwork.encoder_segment.block1") x += 46;
    const width = 8 + 3.2 * Math.log2(block.output[0]);
    const height = Math.max(10, PLAN.tallest * Math.sqrt(block.output[1] / largest));
    places.set(block.name, { x, width, height, block });
    x += width + PLAN.gap;
  }
  const shapes = [];
  const first = places.get("reconstruction");
  const second = places.get("discriminative.encoder.block1");
  shapes.push(line(`M${first.x + first.width} ${middle}H${second.x}`, "flow"));
  shapes.push(label((first.x + first.width + second.x) / 2, middle - 6, "+ x"));
  for (const { x: at, width, height, block } of places.values()) {
    if (!block.skip_from) continue;
    const from = places.get(block.skip_from);
    const [start, end] = [from.x + from.width / 2, at + width / 2];
    const depth = middle + from.height / 2 + 6 + (end - start) / 12;
    shapes.push(
      line(
        `M${start} ${middle + from.height / 2}C${start} ${depth} ${end} ${depth} ${end} ${middle + height / 2}`,
        "skip",
      ),
    );
  }
  for (const { x: at, width, height, block } of places.values()) {
    const group = svg("g", { class: `block ${blockColour(block.path)}`, tabindex: 0, role: "button" });
    group.setAttribute("aria-pressed", String(block.name === opened.stage));
    group.dataset.stage = group.dataset.focus = block.name;
    group.append(
      svg("title", {}, planText(block, titles, words)),
      svg("rect", { x: at, y: middle - height / 2, width, height, rx: 3 }),
      label(at + width / 2, middle - height / 2 - 6, String(block.output[0])),
    );
    group.onclick = () => onOpen(block.name);
    group.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      onOpen(block.name);
    };
    shapes.push(group);
  }
  shapes.push(label(8, 16, words.reconstructive, "start"), label(second.x, 16, words.discriminative, "start"));
  const drawing = svg("svg", { viewBox: `0 0 ${x} ${PLAN.height}`, role: "group", "aria-label": words.blocks });
  drawing.style.minWidth = "720px";
  drawing.append(...shapes);
  const current = plan.blocks.find(({ name }) => name === opened.stage);
  const box = root.querySelector("[data-slot=plan]");
  keepFocus(box, () => box.replaceChildren(drawing, layerTable(current, titles, words)));
}

function planText(block, titles, words) {
  const skip = block.skip_from ? filled(words.block_skip, { name: titles.get(block.skip_from) }) : "";
  return [
    filled(words.block, { title: titles.get(block.name), path: block.path }),
    `${formatShape(block.input)} → ${formatShape(block.output)}${skip}`,
    filled(words.block_cost, { parameters: formatLarge(block.parameters), flops: formatLarge(block.flops) }),
  ].join("\n");
}

function line(path, className) {
  return svg("path", { d: path, class: className });
}

function label(x, y, text, anchor = "middle") {
  return svg("text", { x, y, "text-anchor": anchor }, text);
}

/** The opened stage's layers; an empty place where the stage is arithmetic alone. */
function layerTable(block, titles, words) {
  if (!block) return element("p", "facts", words.no_layers);
  const table = element("table", "layers");
  const row = (cells, kind) => {
    const line = element("tr", "");
    line.append(...cells.map((text) => element(kind, "", text)));
    return line;
  };
  table.append(row([titles.get(block.name), words.in, words.out, words.parameters, "FLOP"], "th"));
  for (const layer of block.layers)
    table.append(
      row(
        [
          layer.kind,
          formatShape(layer.input),
          formatShape(layer.output),
          formatCount(layer.parameters),
          formatCount(layer.flops),
        ],
        "td",
      ),
    );
  return table;
}
