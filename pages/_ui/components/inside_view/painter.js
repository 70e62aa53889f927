// The easel: the picture, a layer of paint over it, and the mark of the followed pixel; for pointer and keyboard. Tells
// of finished strokes and chosen pixels; knows no stage and no server.

import { svg } from "../shared/svg.js";
import { createPaint } from "./paint.js";

const SMALL_STEP = 1 / 128; // of the picture's longer side, that an arrow key goes; with Shift eight times as far
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function createPainter(root, { onStroke, onFollow, onPlace }) {
  const slot = (name) => root.querySelector(`[data-slot=${name}]`);
  const easel = slot("easel");
  const base = slot("base");
  const layer = slot("layer");
  const ink = slot("ink");
  const ring = svg("ellipse", { class: "ring", "data-slot": "ring" });
  const marks = svg("g", {});
  const context = layer.getContext("2d", { willReadFrequently: true });
  const tools = [...root.querySelectorAll("[data-tool]")];
  const paint = createPaint();
  let strokes = [];
  let drawing = null; // the stroke in hand
  let shape = 0;
  let tool = "follow";
  let place = null; // [x, y] of pointer or keyboard, in pixels of the layer
  let picture = null; // digest
  let layerSide = 1; // the longer side of a layer on which the brush's size is in pixels
  let grid = { width: 1, height: 1 };

  ink.replaceChildren(marks, ring);
  for (const button of tools) button.onclick = () => choose(button.dataset.tool);
  slot("size").oninput = showRing;
  slot("undo").onclick = undo;
  slot("clear").onclick = () => finish({ tool: "clear", points: [] });
  easel.onpointerdown = (event) => {
    if (event.button !== 0) return;
    moveTo(pointed(event));
    if (tool === "follow") return follow();
    event.preventDefault();
    easel.focus({ preventScroll: true });
    easel.setPointerCapture(event.pointerId);
    begin();
  };
  easel.onpointermove = (event) => {
    moveTo(pointed(event));
    if (!drawing || drawing.tool === "patch") return;
    drawing.points.push(place);
    paint.draw(context, drawing, drawing.points.length - 1);
  };
  easel.onpointerup = easel.onpointercancel = () => drawing && finish(drawing, true);
  easel.onpointerleave = easel.onblur = () => {
    if (!drawing) moveTo(null);
  };
  easel.onkeydown = (event) => {
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) undo();
    else if (event.key in ARROWS) step(...ARROWS[event.key], event.shiftKey);
    else if (event.key === "Enter" || event.key === " ") act();
    else return;
    event.preventDefault();
  };

  function choose(name) {
    tool = name;
    for (const button of tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    root.dataset.tool = tool;
    showRing();
  }

  function pointed(event) {
    const { left, top, width, height } = easel.getBoundingClientRect();
    return within([((event.clientX - left) / width) * layer.width, ((event.clientY - top) / height) * layer.height]);
  }

  /** A place on the layer, in tenths of its pixels: what a list of strokes can hold. */
  function within([x, y]) {
    const tenths = (value, most) => Math.round(10 * Math.min(most - 0.1, Math.max(0, value))) / 10;
    return [tenths(x, layer.width), tenths(y, layer.height)];
  }

  function step(right, down, isFar) {
    const far = Math.max(1, Math.max(layer.width, layer.height) * SMALL_STEP) * (isFar ? 8 : 1);
    const [x, y] = place ?? [layer.width / 2, layer.height / 2];
    moveTo(within([x + right * far, y + down * far]));
    onPlace(place[0] / layer.width, place[1] / layer.height);
  }

  function act() {
    moveTo(place ?? [layer.width / 2, layer.height / 2]);
    if (tool === "follow") return follow();
    begin();
    finish(drawing, true);
  }

  function follow() {
    onFollow(place[0] / layer.width, place[1] / layer.height);
  }

  function begin() {
    drawing = { tool, size: brushSize(), points: [place] };
    if (tool === "brush" || tool === "eraser") drawing.colour = slot("colour").value;
    else drawing.texture = slot("texture").value;
    if (tool === "patch") drawing.shape = shape++;
    paint.draw(context, drawing);
  }

  /** Keep a stroke, which is drawn already or not, and tell of it. */
  function finish(stroke, isDrawn = false) {
    if (!isDrawn) paint.draw(context, stroke);
    drawing = null;
    strokes = [...strokes, stroke];
    tell();
  }

  function undo() {
    if (!strokes.length || drawing) return;
    strokes = strokes.slice(0, -1);
    redraw();
    tell();
  }

  function redraw() {
    context.clearRect(0, 0, layer.width, layer.height);
    for (const stroke of strokes) paint.draw(context, stroke);
  }

  function tell() {
    showStrokes();
    onStroke({ of: picture, layer: isEmpty() ? "" : layer.toDataURL("image/png"), strokes });
  }

  function isEmpty() {
    const pixels = context.getImageData(0, 0, layer.width, layer.height).data;
    return !pixels.some((value, i) => i % 4 === 3 && value);
  }

  function showStrokes() {
    slot("undo").disabled = !strokes.length;
    slot("clear").disabled = !strokes.length || strokes.at(-1).tool === "clear";
    slot("kept").hidden = !strokes.length;
  }

  function brushSize() {
    return Number(slot("size").value) * (Math.max(layer.width, layer.height) / layerSide);
  }

  function moveTo(next) {
    place = next;
    showRing();
  }

  /** What the brush would cover; a small ring where no brush is in hand. */
  function showRing() {
    ring.toggleAttribute("hidden", !place);
    if (!place) return;
    const radius = tool === "follow" ? 4 : (tool === "patch" ? 5 : 1) * (brushSize() / 2);
    const [right, down] = [grid.width / layer.width, grid.height / layer.height];
    for (const [name, value] of Object.entries({
      cx: place[0] * right,
      cy: place[1] * down,
      rx: radius * right,
      ry: radius * down,
    }))
      ring.setAttribute(name, value);
  }

  choose(tool);
  return {
    receive(view) {
      const ready = paint.ready(view.brushes);
      if (!slot("texture").options.length)
        slot("texture").replaceChildren(...Object.keys(view.brushes.textures).map((name) => new Option(name, name)));
      [grid, layerSide] = [view.grid, view.layer_side];
      ink.setAttribute("viewBox", `0 0 ${grid.width} ${grid.height}`);
      if (view.picture.digest === picture) return;
      picture = view.picture.digest;
      for (const canvas of [base, layer]) Object.assign(canvas, view.layer);
      base.getContext("2d").drawImage(view.base(), 0, 0, base.width, base.height);
      [strokes, drawing] = [view.strokes, null];
      moveTo(null);
      showStrokes();
      ready.then(redraw);
    },

    /** Mark a pixel, and the box of the image that the opened stage's cell sees; `pixel` is null where none is followed. */
    mark(pixel) {
      marks.replaceChildren(...(pixel ? marksOf(pixel, grid) : []));
    },
  };
}

function marksOf(pixel, grid) {
  const { box } = pixel;
  const drawn = [];
  if (box) {
    const around = `M0 0H${grid.width}V${grid.height}H0ZM${box.left} ${box.top}v${box.height}h${box.width}v${-box.height}Z`;
    const place = { x: box.left, y: box.top, width: box.width, height: box.height };
    drawn.push(svg("path", { class: "unseen", d: around }));
    drawn.push(svg("rect", { class: "sees casing", ...place }), svg("rect", { class: "sees", ...place }));
  }
  const path = cross(pixel, grid);
  return [...drawn, svg("path", { class: "cross casing", d: path }), svg("path", { class: "cross", d: path })];
}

function cross({ row, column }, { width, height }) {
  const [x, y, far, near] = [column + 0.5, row + 0.5, Math.max(width, height) / 32, Math.max(width, height) / 100];
  return `M${x - far} ${y}H${x - near}M${x + near} ${y}H${x + far}M${x} ${y - far}V${y - near}M${x} ${y + near}V${y + far}`;
}
