// Draws one panel: its base (the pictures) and its ink (contours and boxes) on a canvas of its own above it, so that a
// drag redraws only what follows the mask. Knows where the picture lies, but no element beside the two canvases.

import { makeCanvas, outlineOf } from "./sources.js";
import { placePicture } from "./view.js";

const CRISP_PICTURE = 2; // canvas pixels per source pixel from which pixels are shown as squares
const CRISP_MAP = 12;
const BACKDROP = "#15171a";
const CONTOUR_COLOR = "#3fd0ff";
const OUTLINE_COLOR = "#ffffff";
const BOX_COLOR = "#ffd400";
const TINT_COLOR = "#ff3d81";
const CASING_COLOR = "rgba(0, 0, 0, 0.6)";
const BOXES_SHOWN = 2000;

/** What changed since the last frame is in `dirty`: view, mask, opacity, contour. */
export function baseIsStale(name, dirty, settings) {
  if (dirty.has("view")) return true;
  if (name === "overlay") return dirty.has("opacity") || (dirty.has("mask") && settings.overlay === "mask");
  return dirty.has("mask") && (name === "mask" || name === "difference");
}

export function inkIsStale(name, dirty) {
  return dirty.has("view") || dirty.has("contour") || (dirty.has("mask") && name === "overlay");
}

export function drawBase({ name, base, width, height }, { sources, settings, pictureSize, view }) {
  const context = base.getContext("2d", { alpha: false });
  const place = placePicture(view, pictureSize, width, height);
  const draw = (levels, crisp) => drawLevels(context, levels, place, width, height, crisp);
  context.fillStyle = BACKDROP;
  context.fillRect(0, 0, width, height);
  if (name === "original") draw(sources.picture, CRISP_PICTURE);
  if (name === "reconstruction") draw(sources.reconstruction, CRISP_MAP);
  if (name === "map") draw(sources.heat, CRISP_MAP);
  if (name === "mask") {
    context.fillStyle = "#000";
    context.fillRect(place.left, place.top, place.width, place.height);
    draw(sources.mask, 0);
  }
  if (name === "overlay") {
    draw(sources.picture, CRISP_PICTURE);
    context.globalAlpha = settings.opacity;
    if (settings.overlay === "heatmap") draw(sources.heat, CRISP_MAP);
    else draw([tinted(sources.mask[0])], 0);
    context.globalAlpha = 1;
  }
  if (name === "difference") {
    draw(sources.picture, CRISP_PICTURE);
    dimToGrey(context, place);
    draw(sources.difference, 0);
  }
}

export function drawInk({ name, ink, width, height }, { sources, settings, measured, pictureSize, grid, view }) {
  const context = ink.getContext("2d");
  context.clearRect(0, 0, width, height);
  const place = placePicture(view, pictureSize, width, height);
  const fromGrid = new DOMMatrix([place.width / grid.width, 0, 0, place.height / grid.height, place.left, place.top]);
  const stroke = (path, color, lineWidth) => path && strokeCased(context, path, fromGrid, color, lineWidth);
  if (name === "overlay") {
    stroke(outlineOf(measured.runs), OUTLINE_COLOR, 1);
    if (settings.show_boxes) stroke(boxesOf(measured.regions), BOX_COLOR, 1.5);
  }
  if (settings.show_contour) stroke(sources.truthOutline, CONTOUR_COLOR, 1.5);
}

/** A path in map pixels as a line of `lineWidth` CSS pixels whatever the zoom, dark on both sides to stand out. */
function strokeCased(context, path, fromGrid, color, lineWidth) {
  const ratio = window.devicePixelRatio || 1;
  const placed = new Path2D();
  placed.addPath(path, fromGrid);
  context.lineCap = "square";
  context.strokeStyle = CASING_COLOR;
  context.lineWidth = (lineWidth + 1.5) * ratio;
  context.stroke(placed);
  context.strokeStyle = color;
  context.lineWidth = lineWidth * ratio;
  context.stroke(placed);
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
    source,
    left,
    top,
    right - left,
    bottom - top,
    place.left + left * scaleX,
    place.top + top * scaleY,
    (right - left) * scaleX,
    (bottom - top) * scaleY,
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
  context.fillStyle = TINT_COLOR;
  context.fillRect(0, 0, mask.width, mask.height);
  context.globalCompositeOperation = "destination-in";
  context.drawImage(mask, 0, 0);
  return canvas;
}

function boxesOf(regions) {
  const path = new Path2D();
  if (regions.length > BOXES_SHOWN) return path;
  for (const { left, top, right, bottom } of regions) path.rect(left - 1, top - 1, right - left + 2, bottom - top + 2);
  return path;
}
