// Where the picture lies on a panel: one zoom and one centre for all panels, in shares of the picture. Pure.

/**
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ zoom: number, x: number, y: number }} Viewport
 */

export const WHOLE_PICTURE = { zoom: 1, x: 0.5, y: 0.5 };

/**
 * The picture's rectangle on a canvas of `width` × `height`, in canvas pixels; it may reach past the canvas.
 *
 * @param {Viewport} view
 * @param {Size} picture
 * @param {number} width
 * @param {number} height
 */
export function placePicture(view, picture, width, height) {
  const fit = Math.min(width / picture.width, height / picture.height) * view.zoom;
  const placed = { width: picture.width * fit, height: picture.height * fit };
  return { ...placed, left: width / 2 - view.x * placed.width, top: height / 2 - view.y * placed.height };
}

/**
 * `view` within its limits: no closer than `closest`, no empty margin where the picture could fill it.
 *
 * @param {Viewport} view
 * @param {Size} picture
 * @param {number} width
 * @param {number} height
 * @param {number} closest
 */
export function limitView(view, picture, width, height, closest) {
  const zoom = Math.min(closest, Math.max(1, view.zoom));
  const placed = placePicture({ ...view, zoom }, picture, width, height);
  const centre = (/** @type {number} */ at, /** @type {number} */ share) =>
    share >= 1 ? 0.5 : Math.min(1 - share / 2, Math.max(share / 2, at));
  return { zoom, x: centre(view.x, width / placed.width), y: centre(view.y, height / placed.height) };
}

/**
 * `view` zoomed by `factor` so that the picture's point under (x, y) of the canvas stays there.
 *
 * @param {Viewport} view
 * @param {number} factor
 * @param {number} x
 * @param {number} y
 * @param {Size} picture
 * @param {number} width
 * @param {number} height
 * @param {number} closest
 */
export function zoomAround(view, factor, x, y, picture, width, height, closest) {
  const zoom = Math.min(closest, Math.max(1, view.zoom * factor));
  const before = placePicture(view, picture, width, height);
  const after = placePicture({ ...view, zoom }, picture, width, height);
  const u = (x - before.left) / before.width;
  const v = (y - before.top) / before.height;
  const moved = { zoom, x: u - (x - width / 2) / after.width, y: v - (y - height / 2) / after.height };
  return limitView(moved, picture, width, height, closest);
}

/**
 * The view that shows a region's box, given in shares of the picture, with as much again around it.
 *
 * @param {Size & { x: number, y: number }} box
 * @param {Size} picture
 * @param {number} width
 * @param {number} height
 * @param {number} closest
 */
export function viewOfBox(box, picture, width, height, closest) {
  const placed = placePicture(WHOLE_PICTURE, picture, width, height);
  const zoom = 0.4 * Math.min(width / (box.width * placed.width), height / (box.height * placed.height));
  const centred = { zoom, x: box.x + box.width / 2, y: box.y + box.height / 2 };
  return limitView(centred, picture, width, height, closest);
}
