// Thumbnails to pick a seed from, and the histogram of mask areas. Sends one trigger, "picked", with a seed.

const PLOT = { width: 900, height: 150, left: 8, right: 8, top: 18, bottom: 30 };

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".draem-wall");
  const { header, rest } = readHeader(data);
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const pick = (seed) => setTriggerValue("picked", seed);
  const count = header.labels.length;
  showWords(root, header.words);
  slot("told").textContent = header.told;
  slot("areasTold").textContent = header.areas_told;
  slot("earlier").disabled = header.first < count;
  slot("earlier").onclick = () => pick(header.seed - count);
  slot("later").onclick = () => pick(header.seed + count);
  showSamples(slot("samples"), header, rest, pick);
  slot("plot").replaceChildren(plot(header));
}

function showSamples(box, { first, seed, size, labels, words }, pixels, pick) {
  const held = box.contains(box.getRootNode().activeElement);
  const [height, width] = size;
  const length = 3 * height * width;
  box.replaceChildren(
    ...labels.map((told, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "sample" });
      const canvas = document.createElement("canvas");
      paint(canvas, pixels.subarray(i * length, (i + 1) * length), height, width);
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

function paint(canvas, rgb, height, width) {
  const drawn = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) drawn.set(rgb.subarray(from, from + 3), to);
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(drawn, width, height), 0, 0);
}

function plot({ bars, ends, bar_words: told, median, present, words, areas_told: areasTold }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const most = Math.max(...bars);
  const x = (share) => left + (width - left - right) * Math.min(1, share / ends.at(-1));
  const y = (count) => height - bottom - (height - top - bottom) * (count / most);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": areasTold });
  bars.forEach((count, i) => {
    const bar = svg("rect", { class: "area", x: x(ends[i]) + 1, y: y(count), height: y(0) - y(count), rx: 1 });
    bar.setAttribute("width", x(ends[i + 1]) - x(ends[i]) - 2);
    bar.append(svg("title", {}, told[i]));
    drawing.append(bar);
  });
  drawing.append(svg("path", { class: "axis", d: `M${left} ${y(0)}H${width - right}` }));
  for (const share of [0, 0.25, 0.5, 0.75, 1].map((part) => part * ends.at(-1)))
    drawing.append(label(x(share), height - 16, `${(100 * share).toFixed(1)} %`, share));
  drawing.append(svg("text", { x: width / 2, y: height - 2, "text-anchor": "middle" }, words.axis));
  drawing.append(mark("median", x(median)), label(x(median), 12, words.median, 0.5));
  if (present !== null) {
    drawing.append(mark("present", x(present)));
    const text = label(x(present), 12, words.this_one, present);
    text.classList.add("present");
    if (Math.abs(x(present) - x(median)) > 90) drawing.append(text);
  }
  return drawing;

  function label(at, height, words, share) {
    const anchor = at < 40 ? "start" : at > width - 60 ? "end" : "middle";
    return svg("text", { x: at, y: height, "text-anchor": share === 0 ? "start" : anchor }, words);
  }

  function mark(name, at) {
    return svg("path", { class: name, d: `M${at} ${top}V${height - bottom}` });
  }
}

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
