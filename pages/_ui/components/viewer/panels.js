// The linked panels: each draws its own picture of the scene under one shared view, and pointing at one points at all.
// Knows sources and settings; knows no slider and no server.

import { baseIsStale, drawBase, drawInk, inkIsStale } from "./drawing.js";
import { buildPanelFooters } from "./panel_footers.js";
import { createSources } from "./sources.js";
import { limitView, placePicture, viewOfBox, WHOLE_PICTURE, zoomAround } from "./view.js";

const PANELS = [
  { name: "original", title: "Original" },
  { name: "reconstruction", title: "Reconstruction" },
  { name: "map", title: "Anomaly map" },
  { name: "mask", title: "Mask" },
  { name: "overlay", title: "Overlay" },
  { name: "difference", title: "Difference" },
];

export function createPanels(root, { requestPaint, onProbe, onView, onOverlay }) {
  const template = root.querySelector("template");
  const board = root.querySelector(".board");
  const readout = root.querySelector(".readout");
  const panels = PANELS.map((definition) => buildPanel(template, definition));
  for (const panel of panels) board.insertBefore(panel.figure, readout);
  const byName = Object.fromEntries(panels.map((panel) => [panel.name, panel]));
  const footers = buildPanelFooters(byName, onOverlay);

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
      footers.showMask(measured, scene);
    }
    footers.showSettings(settings, measured.threshold);
    const picture = { sources, settings, measured, pictureSize: scene.pictureSize, grid: scene.grid, view };
    for (const panel of panels) {
      if (panel.figure.hidden || !panel.width) continue;
      if (baseIsStale(panel.name, dirty, settings)) drawBase(panel, picture);
      if (inkIsStale(panel.name, dirty)) drawInk(panel, picture);
    }
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
      footers.showScene(scene);
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
    footer: find(".footer"),
    width: 0,
    height: 0,
  };
}
