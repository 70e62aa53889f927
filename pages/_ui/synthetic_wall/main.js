// Thumbnails to pick a seed from. Sends one trigger, "picked", with a seed.

import { readHeader } from "../live/header.js";
import { drawPixels } from "../live/pixels.js";
import { filled, showWords } from "../live/words.js";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".draem-wall");
  const { header, rest } = readHeader(data);
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const pick = (seed) => setTriggerValue("picked", seed);
  const count = header.labels.length;
  showWords(root, header.words);
  slot("told").textContent = header.told;
  slot("earlier").disabled = header.first < count;
  slot("earlier").onclick = () => pick(header.seed - count);
  slot("later").onclick = () => pick(header.seed + count);
  showSamples(slot("samples"), header, rest, pick);
}

function showSamples(box, { first, seed, size, labels, words }, pixels, pick) {
  const held = box.contains(box.getRootNode().activeElement);
  const [height, width] = size;
  const length = 3 * height * width;
  box.replaceChildren(
    ...labels.map((told, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "sample" });
      const canvas = document.createElement("canvas");
      drawPixels(canvas, { height, width, pixels: pixels.subarray(i * length, (i + 1) * length) });
      const line = document.createElement("span");
      line.append(...[first + i, told].map((text) => Object.assign(document.createElement("i"), { textContent: text })));
      button.append(canvas, line);
      button.dataset.seed = first + i;
      button.setAttribute("aria-label", filled(words.pick, { seed: first + i, told }));
      button.setAttribute("aria-pressed", String(first + i === seed));
      button.onclick = () => pick(first + i);
      return button;
    }),
  );
  if (held) box.querySelector("[aria-pressed=true]")?.focus({ preventScroll: true });
}
