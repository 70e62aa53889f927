// The linked panels: each draws its own picture of the scene under one shared view, and pointing at one points at all.
// Knows sources and settings; knows no slider and no server.

const PANELS = [
  { name: "original", title: "Original" },
  { name: "reconstruction", title: "Reconstruction" },
  { name: "map", title: "Anomaly map" },
  { name: "mask", title: "Mask" },
  { name: "overlay", title: "Overlay" },
  { name: "difference", title: "Difference" },
];
const CRISP_PICTURE = 2; // canvas pixels per source pixel from which pixels are shown as squares
const CRISP_MAP = 12;
const CONTOUR_COLOR = "#3fd0ff";
const OUTLINE_COLOR = "#ffffff";
const BOX_COLOR = "#ffd400";
const CASING_COLOR = "rgba(0, 0, 0, 0.6)";

function createPanels(root, { requestPaint, onProbe, onView, onOverlay }) {
  const template = root.querySelector("template");
  const board = root.querySelector(".board");
  const readout = root.querySelector(".readout");
  const panels = PANELS.map((definition) => buildPanel(template, definition));
  for (const panel of panels) board.insertBefore(panel.figure, readout);
  const byName = Object.fromEntries(panels.map((panel) => [panel.name, panel]));
  const feet = buildFeet(byName, onOverlay);

  let scene = null;
  let sources = null;
  let settings = null;
  let view = WHOLE_PICTURE;
  let focused = null;

  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const panel = panels.find(({ stage }) => stage === target);
      const ratio = window.devicePixelRatio || 1;
      panel.width = Math.round(contentRect.width * ratio);
      panel.height = Math.round(contentRect.height * ratio);
      for (const canvas of [panel.base, panel.ink]) Object.assign(canvas, { width: panel.width, height: panel.height });
    }
    requestPaint("view", "now"); // a resized canvas is blank: paint before the browser shows it
  });
  for (const panel of panels) {
    resized.observe(panel.stage);
    listenTo(panel);
  }

  function closest() {
    // until 16 map pixels, or picture pixels where those are finer, span the panel
    return Math.max(8, Math.max(scene.pictureSize.width, scene.pictureSize.height, scene.grid.width) / 16);
  }

  function setView(next) {
    view = next;
    root.classList.toggle("zoomed", view.zoom > 1); // from here on touch pans the picture, not the page
    onView(view.zoom);
    requestPaint("view");
  }

  function zoomBy(factor, panel = panels.find(({ width }) => width), x = panel.width / 2, y = panel.height / 2) {
    setView(zoomAround(view, factor, x, y, scene.pictureSize, panel.width, panel.height, closest()));
  }

  function panBy(dx, dy, panel) {
    const placed = placePicture(view, scene.pictureSize, panel.width, panel.height);
    const moved = { ...view, x: view.x - dx / placed.width, y: view.y - dy / placed.height };
    setView(limitView(moved, scene.pictureSize, panel.width, panel.height, closest()));
  }

  function canvasPoint(panel, event) {
    const box = panel.stage.getBoundingClientRect();
    const ratio = panel.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  function probeAt(panel, x, y) {
    const placed = placePicture(view, scene.pictureSize, panel.width, panel.height);
    const u = (x - placed.left) / placed.width;
    const v = (y - placed.top) / placed.height;
    onProbe(u >= 0 && u < 1 && v >= 0 && v < 1 ? { u, v } : null);
  }

  // Handlers are set, never added: Streamlit runs the component again on new data without a clean-up.
  function listenTo(panel) {
    const { stage } = panel;
    const pointers = new Map();
    stage.onpointerdown = (event) => {
      if (event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, canvasPoint(panel, event));
    };
    stage.onpointermove = (event) => {
      const point = canvasPoint(panel, event);
      if (pointers.has(event.pointerId)) followPointer(panel, pointers, event.pointerId, point);
      probeAt(panel, ...point);
    };
    stage.onpointerup = stage.onpointercancel = (event) => pointers.delete(event.pointerId);
    stage.onpointerleave = () => onProbe(null);
    stage.ondblclick = () => setView(WHOLE_PICTURE);
    stage.onwheel = (event) => {
      // at the whole picture, turning further out scrolls the page as anywhere else
      if (event.deltaY > 0 && view.zoom === 1 && !event.ctrlKey) return;
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const speed = event.ctrlKey ? 0.01 : 0.002; // a pinch on a trackpad comes as small steps with ctrl
      zoomBy(Math.exp(-event.deltaY * lines * speed), panel, ...canvasPoint(panel, event));
    };
    stage.onkeydown = (event) => {
      const step = panel.width / 10;
      const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      if (event.key === "+" || event.key === "=") zoomBy(1.5, panel);
      else if (event.key === "-") zoomBy(1 / 1.5, panel);
      else if (event.key === "0") setView(WHOLE_PICTURE);
      else if (event.key in moves && view.zoom > 1) panBy(...moves[event.key], panel);
      else return;
      event.preventDefault();
    };
    panel.nameButton.onclick = () => focus(focused === panel ? null : panel);
  }

  function followPointer(panel, pointers, id, point) {
    const before = pointers.get(id);
    pointers.set(id, point);
    if (pointers.size === 1) {
      panBy(point[0] - before[0], point[1] - before[1], panel);
      return;
    }
    const other = [...pointers].find(([otherId]) => otherId !== id)[1];
    const reach = (from) => Math.hypot(from[0] - other[0], from[1] - other[1]) || 1;
    zoomBy(reach(point) / reach(before), panel, (point[0] + other[0]) / 2, (point[1] + other[1]) / 2);
    panBy((point[0] - before[0]) / 2, (point[1] - before[1]) / 2, panel);
  }

  function focus(panel) {
    focused = panel;
    root.classList.toggle("focused", Boolean(panel));
    for (const each of panels) {
      each.figure.classList.toggle("large", each === panel);
      each.nameButton.setAttribute("aria-pressed", each === panel);
    }
  }

  function showDifference(shown) {
    byName.difference.figure.hidden = !shown;
    root.classList.toggle("six", shown);
    if (!shown && focused === byName.difference) focus(null);
  }

  /** `dirty`: what changed since the last frame, out of view, mask, opacity, contour. */
  function paint(dirty, measured) {
    if (!scene) return;
    const differs = Boolean(scene.truth) && settings.show_difference;
    showDifference(differs);
    if (dirty.has("mask")) {
      sources.paintMask(measured.runs);
      if (differs) sources.paintDifference(measured.runs);
      feet.showMask(measured, scene);
    }
    feet.showSettings(settings, measured.threshold);
    const all = dirty.has("view");
    const opacity = dirty.has("opacity") || (dirty.has("mask") && settings.overlay === "mask");
    for (const panel of panels) {
      if (panel.figure.hidden || !panel.width) continue;
      const live = panel.name === "mask" || panel.name === "difference";
      if (all || (dirty.has("mask") && live) || (opacity && panel.name === "overlay")) paintBase(panel);
      if (all || dirty.has("contour") || (dirty.has("mask") && panel.name === "overlay")) paintInk(panel, measured);
    }
  }

  function paintBase(panel) {
    const { width, height } = panel;
    const context = panel.base.getContext("2d", { alpha: false });
    const place = placePicture(view, scene.pictureSize, width, height);
    const draw = (levels, crisp) => drawLevels(context, levels, place, width, height, crisp);
    context.fillStyle = panel.backdrop;
    context.fillRect(0, 0, width, height);
    if (panel.name === "original") draw(sources.picture, CRISP_PICTURE);
    else if (panel.name === "reconstruction") draw(sources.reconstruction, CRISP_MAP);
    else if (panel.name === "map") draw(sources.heat, CRISP_MAP);
    else if (panel.name === "mask") {
      context.fillStyle = "#000";
      context.fillRect(place.left, place.top, place.width, place.height);
      draw(sources.mask, 0);
    } else if (panel.name === "overlay") {
      draw(sources.picture, CRISP_PICTURE);
      context.globalAlpha = settings.opacity;
      if (settings.overlay === "heatmap") draw(sources.heat, CRISP_MAP);
      else draw([tinted(sources.mask[0])], 0);
      context.globalAlpha = 1;
    } else {
      draw(sources.picture, CRISP_PICTURE);
      dimToGrey(context, place);
      draw(sources.difference, 0);
    }
  }

  function paintInk(panel, measured) {
    const { width, height } = panel;
    const context = panel.ink.getContext("2d");
    context.clearRect(0, 0, width, height);
    const place = placePicture(view, scene.pictureSize, width, height);
    const toCanvas = new DOMMatrix([
      place.width / scene.grid.width, 0, 0, place.height / scene.grid.height, place.left, place.top,
    ]);
    const ratio = window.devicePixelRatio || 1;
    const stroke = (path, color, lineWidth) => {
      if (!path) return;
      const placed = new Path2D();
      placed.addPath(path, toCanvas);
      context.lineCap = "square";
      context.strokeStyle = CASING_COLOR;
      context.lineWidth = (lineWidth + 1.5) * ratio;
      context.stroke(placed);
      context.strokeStyle = color;
      context.lineWidth = lineWidth * ratio;
      context.stroke(placed);
    };
    if (panel.name === "overlay") {
      stroke(outlineOf(measured.runs), OUTLINE_COLOR, 1);
      if (settings.show_boxes) stroke(boxesOf(measured.regions), BOX_COLOR, 1.5);
    }
    if (settings.show_contour) stroke(sources.truthOutline, CONTOUR_COLOR, 1.5);
  }

  return {
    paint,
    zoomBy,
    resetView: () => setView(WHOLE_PICTURE),
    setSettings: (next) => (settings = next),
    setScene(next) {
      const sameSize =
        scene &&
        scene.pictureSize.width === next.pictureSize.width &&
        scene.pictureSize.height === next.pictureSize.height;
      scene = next;
      sources = createSources(scene);
      if (!sameSize) setView(WHOLE_PICTURE);
      const { width, height } = scene.pictureSize;
      root.style.setProperty("--aspect", Math.min(2.5, Math.max(0.7, width / height)));
      feet.showScene(scene);
      for (const panel of panels) panel.stage.setAttribute("aria-label", `${panel.title} of ${scene.title}`);
    },
    zoomTo(region) {
      const { width, height } = scene.grid;
      const panel = byName.overlay;
      const box = {
        x: region.left / width,
        y: region.top / height,
        width: (region.right - region.left) / width,
        height: (region.bottom - region.top) / height,
      };
      setView(viewOfBox(box, scene.pictureSize, panel.width, panel.height, closest()));
    },
    /** Cross-hair and value on every panel; `texts` by panel name, null to hide. */
    showProbe(probe, texts) {
      root.classList.toggle("probing", Boolean(probe));
      if (!probe) return;
      const ratio = window.devicePixelRatio || 1;
      for (const panel of panels) {
        if (!panel.width) continue;
        const place = placePicture(view, scene.pictureSize, panel.width, panel.height);
        panel.down.style.transform = `translateX(${(place.left + probe.u * place.width) / ratio}px)`;
        panel.across.style.transform = `translateY(${(place.top + probe.v * place.height) / ratio}px)`;
        panel.badge.textContent = texts[panel.name];
      }
    },
    stop: () => resized.disconnect(),
  };
}

function buildPanel(template, { name, title }) {
  const figure = template.content.firstElementChild.cloneNode(true);
  figure.dataset.panel = name;
  const find = (selector) => figure.querySelector(selector);
  const nameButton = find(".name");
  nameButton.textContent = title;
  nameButton.title = "Enlarge, or back to the row";
  return {
    name,
    title,
    figure,
    nameButton,
    stage: find(".stage"),
    base: find(".base"),
    ink: find(".ink"),
    down: find(".down"),
    across: find(".across"),
    badge: find(".badge"),
    foot: find(".foot"),
    backdrop: "#15171a",
    width: 0,
    height: 0,
  };
}

/** Draw the visible part of the coarsest level that is fine enough; squares from `crisp` canvas pixels a pixel on. */
function drawLevels(context, levels, place, width, height, crisp) {
  const source = levels.findLast((level) => level.width >= place.width) ?? levels[0];
  const scaleX = place.width / source.width;
  const scaleY = place.height / source.height;
  const left = Math.max(0, Math.floor(-place.left / scaleX) - 1);
  const top = Math.max(0, Math.floor(-place.top / scaleY) - 1);
  const right = Math.min(source.width, Math.ceil((width - place.left) / scaleX) + 1);
  const bottom = Math.min(source.height, Math.ceil((height - place.top) / scaleY) + 1);
  if (right <= left || bottom <= top) return;
  context.imageSmoothingEnabled = scaleX < crisp;
  context.drawImage(
    source, left, top, right - left, bottom - top,
    place.left + left * scaleX, place.top + top * scaleY, (right - left) * scaleX, (bottom - top) * scaleY,
  );
}

function dimToGrey(context, place) {
  context.globalCompositeOperation = "saturation";
  context.fillStyle = "#808080";
  context.fillRect(place.left, place.top, place.width, place.height);
  context.globalCompositeOperation = "source-over";
  context.fillStyle = "rgba(16, 18, 21, 0.68)";
  context.fillRect(place.left, place.top, place.width, place.height);
}

/** The white mask in the overlay's colour. */
function tinted(mask) {
  const canvas = makeCanvas(mask.width, mask.height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ff3d81";
  context.fillRect(0, 0, mask.width, mask.height);
  context.globalCompositeOperation = "destination-in";
  context.drawImage(mask, 0, 0);
  return canvas;
}

function boxesOf(regions) {
  const path = new Path2D();
  if (regions.length > 2000) return path;
  for (const { left, top, right, bottom } of regions) path.rect(left - 1, top - 1, right - left + 2, bottom - top + 2);
  return path;
}

/** The line under each panel: size, colour bar, counts, the overlay's choice, the legend. */
function buildFeet(panels, onOverlay) {
  panels.map.foot.innerHTML = `
    <div class="scale"><i class="marker"></i><div class="ramp"></div>
    <div class="numbers"><span>0</span><span>.25</span><span>.5</span><span>.75</span><span>1</span></div></div>`;
  panels.overlay.foot.innerHTML = `
    <div class="choice" role="radiogroup" aria-label="Overlay">
      <button type="button" role="radio" data-overlay="heatmap">Heatmap</button>
      <button type="button" role="radio" data-overlay="mask">Mask</button></div>`;
  panels.difference.foot.innerHTML = `
    <ul class="legend">
      <li title="Flagged, and a defect"><i class="hit"></i>TP <b></b></li>
      <li title="Flagged, but good"><i class="alarm"></i>FP <b></b></li>
      <li title="A defect that was not flagged"><i class="miss"></i>FN <b></b></li></ul>`;
  const marker = panels.map.foot.querySelector(".marker");
  const ramp = panels.map.foot.querySelector(".ramp");
  const choices = [...panels.overlay.foot.querySelectorAll("button")];
  const legend = [...panels.difference.foot.querySelectorAll("b")];
  for (const button of choices) button.onclick = () => onOverlay(button.dataset.overlay);
  return {
    showScene(scene) {
      const { pictureSize, shown, grid } = scene;
      const shrunk = shown.width < pictureSize.width ? `, shown at ${shown.width} × ${shown.height}` : "";
      panels.original.foot.textContent = `${pictureSize.width} × ${pictureSize.height} px${shrunk}`;
      panels.reconstruction.foot.textContent = `${grid.width} × ${grid.height} px, clipped to [0, 1]`;
      const stops = Array.from({ length: 33 }, (_, i) => 3 * Math.min(255, 8 * i));
      const colors = stops.map((at) => `rgb(${scene.colormap.slice(at, at + 3).join(" ")})`);
      ramp.style.background = `linear-gradient(to right, ${colors.join(", ")})`;
    },
    showMask(measured, scene) {
      const { tp, fp, fn } = measured.confusion ?? {};
      [tp, fp, fn].forEach((count, i) => (legend[i].textContent = formatCount(count)));
      const share = measured.flagged / scene.map.length;
      panels.mask.foot.textContent = `${formatCount(measured.flagged)} px, ${formatPercent(share)} of the map`;
    },
    showSettings(settings, threshold) {
      marker.style.left = `${100 * threshold}%`;
      marker.title = `threshold ${formatProbability(threshold)}`;
      for (const button of choices)
        button.setAttribute("aria-checked", String(button.dataset.overlay === settings.overlay));
    },
  };
}
