// The easel: the picture, a layer of paint over it, and the mark of the followed pixel. Tells of finished strokes and
// clicked pixels; knows no stage and no server.

const UNDO_STEPS = 20;

function createPainter(root, { onStroke, onFollow }) {
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const easel = slot("easel");
  const base = slot("base");
  const layer = slot("layer");
  const ink = slot("ink");
  const context = layer.getContext("2d", { willReadFrequently: true });
  const tools = [...root.querySelectorAll("[data-tool]")];
  const textures = new Map(); // name → image
  let shapes = [];
  let shape = 0;
  let tool = "follow";
  let last = null; // where the stroke in hand was last, in pixels of the layer
  let picture = null; // digest
  const history = [];

  for (const button of tools) button.onclick = () => choose(button.dataset.tool);
  slot("undo").onclick = undo;
  slot("clear").onclick = () => change(() => context.clearRect(0, 0, layer.width, layer.height));
  easel.onpointerdown = (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    easel.setPointerCapture(event.pointerId);
    if (tool === "follow") return onFollow(at.x / layer.width, at.y / layer.height);
    event.preventDefault();
    remember();
    if (tool === "patch") stampPatch(at);
    else dab(at, at);
    last = at;
  };
  easel.onpointermove = (event) => {
    if (!last || tool === "patch") return;
    const at = place(event);
    dab(last, at);
    last = at;
  };
  easel.onpointerup = easel.onpointercancel = () => {
    if (!last) return;
    last = null;
    tell();
  };
  easel.onkeydown = (event) => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    undo();
  };

  function choose(name) {
    tool = name;
    for (const button of tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    root.dataset.tool = tool;
  }

  function place(event) {
    const box = easel.getBoundingClientRect();
    const inside = (share) => Math.min(1 - 1e-6, Math.max(0, share));
    return {
      x: inside((event.clientX - box.left) / box.width) * layer.width,
      y: inside((event.clientY - box.top) / box.height) * layer.height,
    };
  }

  function dab(from, to) {
    context.save();
    context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
    context.strokeStyle = tool === "texture" ? texturePattern(context) : slot("colour").value;
    context.lineWidth = Number(slot("size").value) * (Math.max(layer.width, layer.height) / 512);
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
    context.restore();
  }

  function texturePattern(context) {
    return context.createPattern(textures.get(slot("texture").value), "repeat");
  }

  /** The next Perlin shape, filled with the texture, its middle at a place; five times as wide as the brush. */
  function stampPatch({ x, y }) {
    const side = Math.max(8, 5 * Number(slot("size").value) * (Math.max(layer.width, layer.height) / 512));
    const stamp = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const stamped = stamp.getContext("2d");
    stamped.drawImage(shapes[shape++ % shapes.length], 0, 0, side, side);
    stamped.globalCompositeOperation = "source-in";
    stamped.fillStyle = texturePattern(stamped);
    stamped.fillRect(0, 0, side, side);
    context.drawImage(stamp, x - side / 2, y - side / 2);
  }

  function remember() {
    history.push(context.getImageData(0, 0, layer.width, layer.height));
    if (history.length > UNDO_STEPS) history.shift();
  }

  function change(paint) {
    remember();
    paint();
    tell();
  }

  function undo() {
    if (!history.length) return;
    context.putImageData(history.pop(), 0, 0);
    tell();
  }

  function tell() {
    const pixels = context.getImageData(0, 0, layer.width, layer.height).data;
    const isEmpty = !pixels.some((value, i) => i % 4 === 3 && value);
    showHistory();
    onStroke(picture, isEmpty ? "" : layer.toDataURL("image/png"));
  }

  function showHistory() {
    slot("undo").disabled = !history.length;
  }

  async function receiveBrushes({ textures: urls, shapes: shapeUrls }) {
    if (shapes.length) return;
    slot("texture").replaceChildren(...Object.keys(urls).map((name) => new Option(name, name)));
    for (const [name, url] of Object.entries(urls)) textures.set(name, await decoded(url));
    shapes = await Promise.all(shapeUrls.map(decoded));
  }

  choose(tool);
  return {
    receive(view) {
      receiveBrushes(view.brushes);
      if (view.picture.digest === picture) return;
      picture = view.picture.digest;
      for (const canvas of [base, layer]) Object.assign(canvas, view.layer);
      base.getContext("2d").drawImage(view.base(), 0, 0, base.width, base.height);
      easel.style.aspectRatio = `${view.picture.width} / ${view.picture.height}`;
      history.length = 0;
      showHistory();
    },

    /** Mark a cell's pixel and the box that it sees; `pixel` is null where none is followed. */
    mark(pixel, grid) {
      ink.setAttribute("viewBox", `0 0 ${grid.width} ${grid.height}`);
      if (!pixel) return ink.replaceChildren();
      const marks = [];
      if (pixel.box)
        marks.push(svg("rect", { class: "sees", x: pixel.box.left, y: pixel.box.top, width: pixel.box.width, height: pixel.box.height }));
      marks.push(svg("path", { class: "cross casing", d: cross(pixel, grid) }), svg("path", { class: "cross", d: cross(pixel, grid) }));
      ink.replaceChildren(...marks);
    },
  };
}

function decoded(url) {
  const image = new Image();
  image.src = url;
  return image.decode().then(() => image);
}

function svg(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function cross({ row, column }, { width, height }) {
  const [x, y, far, near] = [column + 0.5, row + 0.5, Math.max(width, height) / 32, Math.max(width, height) / 100];
  return `M${x - far} ${y}H${x - near}M${x + near} ${y}H${x + far}M${x} ${y - far}V${y - near}M${x} ${y + near}V${y + far}`;
}
