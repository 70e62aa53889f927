// Layers × epochs as a heatmap of weight spread or gradient norm, on a log scale that all layers share. The cells are
// drawn once for a size, measure and theme; the epoch's frame on each frame.

const HEAT_ROW = 16; // px a layer, high enough for its name

function createHeat(root, run) {
  const canvas = root.querySelector("[data-slot=heat]");
  const names = root.querySelector("[data-slot=layers]");
  const scale = root.querySelector("[data-slot=heatScale]");
  const probe = root.querySelector("[data-slot=heatProbe]");
  const fold = root.querySelector(".heat");
  fold.hidden = !run.layers.std && !run.layers.gradient_norm;
  fold.style.setProperty("--scale", `linear-gradient(to right, ${[0, 64, 128, 192, 255].map(colorAt).join(",")})`);
  let drawn = null; // { key, backdrop, layers }

  canvas.onpointermove = (event) => drawn && tell(event, drawn.layers);
  canvas.onpointerleave = () => (probe.textContent = "");

  function colorAt(byte) {
    return `rgb(${run.colormap.slice(3 * byte, 3 * byte + 3).join(",")})`;
  }

  function draw(epoch, measure, colors) {
    const layers = run.layers[measure];
    if (!fold.open) return;
    names.parentElement.hidden = !layers;
    if (!layers) {
      drawn = null;
      scale.textContent = "This run has no such figures.";
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    if (!width) return;
    const key = `${measure} ${width} ${colors.axis}`;
    if (drawn?.key !== key) drawn = { key, layers, backdrop: drawBackdrop(layers, width, ratio, colors) };
    const context = canvas.getContext("2d");
    context.drawImage(drawn.backdrop, 0, 0);
    const now = layers.epochs.indexOf(epoch);
    if (now < 0) return;
    const cell = width / layers.epochs.length;
    const [left, right] = [Math.floor(now * cell), Math.ceil((now + 1) * cell)];
    context.lineWidth = 2 * ratio;
    for (const [color, inset] of [["#ffffff", 1], ["#000000", 3]]) {
      if (right - left <= 2 * inset * ratio) break; // a narrow cell has no room for the inner line
      context.strokeStyle = color;
      const edge = inset * ratio;
      context.strokeRect(left + edge, edge, right - left - 2 * edge, canvas.height - 2 * edge);
    }
  }

  function drawBackdrop(layers, width, ratio, colors) {
    const row = HEAT_ROW * ratio;
    const height = Math.round(layers.names.length * row);
    canvas.style.height = `${layers.names.length * HEAT_ROW}px`;
    Object.assign(canvas, { width, height });
    names.replaceChildren(
      ...layers.names.map((name) =>
        Object.assign(document.createElement("li"), { textContent: shortLayer(name), title: name }),
      ),
    );
    const values = layers.values.flat().filter((value) => value > 0);
    const [low, high] = values.length ? [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))] : [0, 0];
    scale.replaceChildren(shortNumber(10 ** low), document.createElement("i"), `${shortNumber(10 ** high)}, log scale`);
    const backdrop = new OffscreenCanvas(width, height);
    const context = backdrop.getContext("2d");
    const cell = width / layers.epochs.length;
    layers.values.forEach((ofLayer, at) =>
      ofLayer.forEach((value, index) => {
        const place = value > 0 ? (Math.log10(value) - low) / (high - low || 1) : 0;
        context.fillStyle = value === null ? colors.axis : colorAt(Math.min(255, Math.floor(place * 256)));
        context.fillRect(Math.floor(index * cell), Math.round(at * row), Math.ceil(cell), Math.round(row) - 1);
      }),
    );
    return backdrop;
  }

  function tell(event, layers) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const place = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    const index = place((event.clientX - left) / width, layers.epochs.length);
    const at = place((event.clientY - top) / height, layers.names.length);
    const value = layers.values[at][index];
    const text = value === null ? UNDEFINED : shortNumber(value);
    probe.textContent = `${shortLayer(layers.names[at])}, epoch ${layers.epochs[index]}: ${text}`;
  }

  return { draw };
}

/** "reconstructive_subnetwork.encoder.block1.0" as "recon · encoder block1 0". */
function shortLayer(name) {
  return name
    .replace("reconstructive_subnetwork.", "recon · ")
    .replace("discriminative_subnetwork.", "discr · ")
    .replace("encoder_segment.", "enc ")
    .replace("decoder_segment.", "dec ")
    .replace("encoder.", "enc ")
    .replace("decoder.", "dec ")
    .replaceAll(".", " ");
}
