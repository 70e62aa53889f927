// Layers × epochs as a heatmap of weight spread or gradient norm, on a log scale that all layers share.

function createHeat(root, run) {
  const canvas = root.querySelector("[data-slot=heat]");
  const names = root.querySelector("[data-slot=layers]");
  const scale = root.querySelector("[data-slot=heatScale]");
  const probe = root.querySelector("[data-slot=heatProbe]");
  let key = "";
  let range = [0, 1];

  function draw(epoch, measure, colors) {
    const layers = run.layers[measure];
    root.querySelector(".heat").hidden = !run.layers.std && !run.layers.gradient_norm;
    names.parentElement.hidden = !layers;
    if (!layers) {
      scale.textContent = "This run has no such figures.";
      return;
    }
    const ratio = window.devicePixelRatio || 1;
    const row = 11;
    const width = Math.round(canvas.clientWidth * ratio);
    const wanted = `${measure} ${width} ${colors.axis}`;
    const height = layers.names.length * row * ratio;
    if (wanted !== key) {
      key = wanted;
      canvas.style.height = `${layers.names.length * row}px`;
      Object.assign(canvas, { width, height });
      const values = layers.values.flat().filter((value) => value > 0);
      range = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
      scale.textContent = `dark ${shortNumber(10 ** range[0])} to light ${shortNumber(10 ** range[1])}, on a log scale`;
      names.replaceChildren(
        ...layers.names.map((name) => Object.assign(document.createElement("li"), { textContent: name, title: name })),
      );
      canvas.onpointermove = (event) => tell(event, layers);
      canvas.onpointerleave = () => (probe.textContent = "");
    }
    const context = canvas.getContext("2d");
    const cell = width / layers.epochs.length;
    layers.values.forEach((values, at) =>
      values.forEach((value, index) => {
        const place = value > 0 ? (Math.log10(value) - range[0]) / (range[1] - range[0] || 1) : 0;
        const color = 3 * Math.min(255, Math.max(0, Math.floor(place * 256)));
        context.fillStyle = value === null ? colors.axis : `rgb(${run.colormap.slice(color, color + 3).join(",")})`;
        const left = Math.floor(index * cell);
        context.fillRect(left, at * row * ratio, Math.ceil(cell), row * ratio - 1);
      }),
    );
    const now = layers.epochs.indexOf(epoch);
    if (now >= 0) {
      context.strokeStyle = colors.accent;
      context.lineWidth = 2 * ratio;
      context.strokeRect(now * cell + ratio, ratio, cell - 2 * ratio, height - 2 * ratio);
    }
  }

  function tell(event, layers) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const index = Math.min(layers.epochs.length - 1, Math.floor(((event.clientX - left) / width) * layers.epochs.length));
    const at = Math.min(layers.names.length - 1, Math.floor(((event.clientY - top) / height) * layers.names.length));
    if (index < 0 || at < 0) return;
    const value = layers.values[at][index];
    probe.textContent = `${layers.names[at]}, epoch ${layers.epochs[index]}: ${value === null ? UNDEFINED : shortNumber(value)}`;
  }

  return { draw };
}
