// Small pictures for the tests.

/** Lines of text as values (0 for ".", 1 for "#", a digit's tenth) with their width and height. */
export function picture(lines) {
  const valueAt = (mark) => (mark === "#" ? 1 : mark === "." ? 0 : Number(mark) / 10);
  const values = Float32Array.from([...lines.join("")], valueAt);
  return { values, width: lines[0].length, height: lines.length };
}

/** A mask as lines of text. */
export function text(mask, width) {
  const marks = [...mask].map((flagged) => (flagged ? "#" : ".")).join("");
  return Array.from({ length: mask.length / width }, (_, row) => marks.slice(row * width, (row + 1) * width));
}

/** Numbers in [0, 1) that are the same each time: the minimal standard generator. */
export function generator(seed) {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
