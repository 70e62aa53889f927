// One image as the viewer knows it: its arrays by name, and their sizes. Knows no element.

import { unpack } from "../shared/unpack.js";

/** Everything that the browser knows of one image; `truth` is null without ground truth. */
export function unpackScene(bytes) {
  const { header, arrays } = unpack(bytes);
  const { map, picture, reconstruction, colormap, truth } = arrays;
  return {
    ...header,
    grid: sizeOf(map),
    map: map.values,
    pictureSize: header.picture,
    shown: sizeOf(picture),
    picture: picture.values,
    reconstruction: reconstruction.values,
    colormap: colormap.values,
    truth: truth?.values ?? null,
  };
}

/** @param {import("../shared/unpack.js").Packed} array */
function sizeOf({ shape: [height, width] }) {
  return { width, height };
}
