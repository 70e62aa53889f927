// Thumbnails to pick a seed from. Sends one trigger, "picked", with a seed.

import { drawPixels } from "../shared/pixels.js";
import { unpack } from "../shared/unpack.js";
import { filled, showWords } from "../shared/words.js";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".draem-sample-grid");
  const { header, arrays } = unpack(data);
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const pick = (seed) => setTriggerValue("picked", seed);
  const count = header.labels.length;
  showWords(root, header.words);
  slot("told").textContent = header.told;
  slot("earlier").disabled = header.first < count;
  slot("earlier").onclick = () => pick(header.seed - count);
  slot("later").onclick = () => pick(header.seed + count);
  showSamples(slot("samples"), header, arrays.pictures, pick);
}

function showSamples(box, { first, seed, labels, words }, pictures, pick) {
  const held = box.contains(box.getRootNode().activeElement);
  const [, ...shape] = pictures.shape;
  const length = pictures.values.length / labels.length;
  box.replaceChildren(
    ...labels.map((told, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "sample" });
      const canvas = document.createElement("canvas");
      drawPixels(canvas, { shape, values: pictures.values.subarray(i * length, (i + 1) * length) });
      const line = document.createElement("span");
      line.append(
        ...[first + i, told].map((text) => Object.assign(document.createElement("i"), { textContent: text })),
      );
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
