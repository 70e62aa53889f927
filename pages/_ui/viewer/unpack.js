// The payload's bytes as named typed arrays. Knows the layout that payload.py writes, nothing of what is shown.

import { readHeader } from "../live/header.js";

/** Everything that the browser knows of one image; `truth` is null without ground truth. */
export function unpackScene(bytes) {
  const { header, rest } = readHeader(bytes);
  const arrays = {};
  let start = 0;
  for (const [name, length] of header.arrays) {
    arrays[name] = rest.slice(start, start + length); // a copy: Streamlit's view starts at an odd offset
    start += length + (-length & 3);
  }
  return {
    ...header,
    map: new Float32Array(arrays.map.buffer),
    picture: arrays.picture,
    pictureSize: header.picture,
    reconstruction: arrays.reconstruction,
    colormap: arrays.colormap,
    truth: arrays.truth ?? null,
  };
}
