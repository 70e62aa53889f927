// Threshold, opening with a square, 8-connected regions: pure functions, pixel for pixel those of
// scipy.ndimage.binary_opening(mask, ones((k, k))), where outside is background for erosion and dilation alike.
//
// A mask is a bitmap: rows of 32-bit words, pixel x of a row in bit x & 31 of word x >> 5, bits past the width 0.
// So one AND works on 32 pixels, and a mask of 1024² is opened in about a millisecond whatever the kernel.

/**
 * @typedef {{ width: number, height: number, words: number, bits: Int32Array }} Bitmap
 * @typedef {{ left: number, top: number, right: number, bottom: number, area: number }} Region
 * @typedef {{ rows: number[], starts: number[], ends: number[], owners: number[] | Int32Array, count: number }} Runs
 */

/**
 * @param {number} width
 * @param {number} height
 * @returns {Bitmap}
 */
export function makeBitmap(width, height) {
  const words = (width + 31) >> 5;
  return { width, height, words, bits: new Int32Array(words * height) };
}

/**
 * values > threshold, strictly.
 *
 * @param {ArrayLike<number>} values
 * @param {number} width
 * @param {number} height
 * @param {number} threshold
 */
export function thresholdBitmap(values, width, height, threshold) {
  const bitmap = makeBitmap(width, height);
  const { bits, words } = bitmap;
  for (let y = 0; y < height; y++) {
    for (let word = 0; word < words; word++) {
      const start = y * width + word * 32;
      const count = Math.min(32, width - word * 32);
      let packed = 0;
      for (let bit = 0; bit < count; bit++) if (values[start + bit] > threshold) packed |= 1 << bit;
      bits[y * words + word] = packed;
    }
  }
  return bitmap;
}

/** @param {Int32Array} bits */
export function countBits(bits) {
  let total = 0;
  for (let i = 0; i < bits.length; i++) {
    let word = bits[i];
    if (word === 0) continue;
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    total += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return total;
}

/**
 * Opening with a size × size square. Erosion leaves a pixel where the square that starts there fits into the mask
 * and the picture; dilation puts the squares back. Both double their reach (1, 2, 4, … pixels), so a size of 31
 * takes five steps an axis.
 *
 * @param {Bitmap} bitmap
 * @param {number} size
 * @returns {Bitmap}
 */
export function openBitmap(bitmap, size) {
  const { width, height, words } = bitmap;
  const opened = { ...bitmap, bits: bitmap.bits.slice() };
  if (size === 1) return opened;
  if (size > width || size > height) return makeBitmap(width, height);
  for (const reach of doublings(size)) erodeAlongRows(opened.bits, words, reach);
  for (const reach of doublings(size)) erodeAlongColumns(opened.bits, words, reach);
  for (const reach of doublings(size)) dilateAlongColumns(opened.bits, words, reach);
  for (const reach of doublings(size)) dilateAlongRows(opened.bits, words, reach);
  return opened;
}

/**
 * Steps whose sum is size − 1, none longer than one more than the sum of those before it.
 *
 * @param {number} size
 */
function doublings(size) {
  const steps = [];
  for (let covered = 1; covered < size; ) {
    const step = Math.min(covered, size - covered);
    steps.push(step);
    covered += step;
  }
  return steps;
}

/**
 * Each pixel AND the one `step` (≤ 16) to its right; past the row's end is background.
 *
 * @param {Int32Array} bits
 * @param {number} words
 * @param {number} step
 */
function erodeAlongRows(bits, words, step) {
  for (let i = 0; i < bits.length; i++) {
    const next = (i + 1) % words === 0 ? 0 : bits[i + 1];
    bits[i] &= (bits[i] >>> step) | (next << (32 - step));
  }
}

/**
 * Each pixel OR the one `step` (≤ 16) to its left.
 *
 * @param {Int32Array} bits
 * @param {number} words
 * @param {number} step
 */
function dilateAlongRows(bits, words, step) {
  for (let i = bits.length - 1; i >= 0; i--) {
    const previous = i % words === 0 ? 0 : bits[i - 1];
    bits[i] |= (bits[i] << step) | (previous >>> (32 - step));
  }
}

/**
 * Each pixel AND the one `step` rows below.
 *
 * @param {Int32Array} bits
 * @param {number} words
 * @param {number} step
 */
function erodeAlongColumns(bits, words, step) {
  const reach = step * words;
  for (let i = 0; i < bits.length - reach; i++) bits[i] &= bits[i + reach];
  bits.fill(0, Math.max(0, bits.length - reach));
}

/**
 * Each pixel OR the one `step` rows above.
 *
 * @param {Int32Array} bits
 * @param {number} words
 * @param {number} step
 */
function dilateAlongColumns(bits, words, step) {
  const reach = step * words;
  for (let i = bits.length - 1; i >= reach; i--) bits[i] |= bits[i - reach];
}

/**
 * The bitmap's horizontal runs and its 8-connected regions.
 *
 * Returns { runs, regions }: run i covers pixels starts[i] ≤ x < ends[i] of row rows[i] and belongs to region
 * owners[i]; a region is { left, top, right, bottom, area }, right and bottom exclusive, in order of first pixel.
 *
 * @param {Bitmap} bitmap
 * @returns {{ runs: Runs, regions: Region[] }}
 */
export function findRegions(bitmap) {
  const runs = findRuns(bitmap);
  const parents = joinRuns(runs);
  const regions = [];
  const numbers = new Int32Array(runs.count);
  runs.owners = new Int32Array(runs.count);
  for (let i = 0; i < runs.count; i++) {
    const root = rootOf(parents, i);
    if (root === i) {
      numbers[i] = regions.length;
      regions.push({ left: runs.starts[i], top: runs.rows[i], right: runs.ends[i], bottom: runs.rows[i] + 1, area: 0 });
    }
    const region = regions[numbers[root]];
    region.left = Math.min(region.left, runs.starts[i]);
    region.right = Math.max(region.right, runs.ends[i]);
    region.bottom = runs.rows[i] + 1;
    region.area += runs.ends[i] - runs.starts[i];
    runs.owners[i] = numbers[root];
  }
  return { runs, regions };
}

/**
 * The same without the regions of fewer than `minArea` pixels; region numbers are closed up.
 *
 * @param {{ runs: Runs, regions: Region[] }} found
 * @param {number} minArea
 * @returns {{ runs: Runs, regions: Region[] }}
 */
export function dropSmallRegions({ runs, regions }, minArea) {
  const kept = regions.filter((region) => region.area >= minArea);
  if (kept.length === regions.length) return { runs, regions };
  const numbers = new Map(kept.map((region, number) => [region, number]));
  /** @type {Runs & { owners: number[] }} */
  const out = { rows: [], starts: [], ends: [], owners: [], count: 0 };
  for (let i = 0; i < runs.count; i++) {
    const number = numbers.get(regions[runs.owners[i]]);
    if (number === undefined) continue;
    out.rows.push(runs.rows[i]);
    out.starts.push(runs.starts[i]);
    out.ends.push(runs.ends[i]);
    out.owners.push(number);
    out.count += 1;
  }
  return { runs: out, regions: kept };
}

/**
 * @param {Bitmap} bitmap
 * @returns {Runs}
 */
export function findRuns({ width, height, words, bits }) {
  const rows = [];
  const starts = [];
  const ends = [];
  for (let y = 0; y < height; y++) {
    let open = false; // a run reached the end of the last word
    for (let word = 0; word < words; word++) {
      let rest = open ? ~bits[y * words + word] : bits[y * words + word];
      // `rest` has a 1 wherever the next change may lie; after a change the word is flipped from there on
      let from = 0;
      while (rest !== 0) {
        const bit = 31 - Math.clz32(rest & -rest);
        const x = word * 32 + bit;
        if (open) ends.push(x);
        else {
          rows.push(y);
          starts.push(x);
        }
        open = !open;
        from = bit + 1;
        rest = from > 31 ? 0 : ~rest & (-1 << from);
      }
    }
    if (open) ends.push(width);
  }
  return { rows, starts, ends, owners: [], count: rows.length };
}

/**
 * Union-find over the runs: one that touches a run of the row above, corners included, joins it.
 *
 * @param {Runs} runs
 */
function joinRuns({ rows, starts, ends, count }) {
  const parents = new Int32Array(count);
  let above = 0; // first run of the row above that may still touch
  for (let i = 0; i < count; i++) {
    parents[i] = i;
    while (rows[above] < rows[i] - 1 || (rows[above] === rows[i] - 1 && ends[above] < starts[i])) above += 1;
    for (let other = above; rows[other] === rows[i] - 1 && starts[other] <= ends[i]; other++) {
      const first = rootOf(parents, other);
      const second = rootOf(parents, i);
      if (first < second) parents[second] = first;
      else parents[first] = second;
    }
  }
  return parents;
}

/**
 * @param {Int32Array} parents
 * @param {number} run
 */
function rootOf(parents, run) {
  while (parents[run] !== run) {
    parents[run] = parents[parents[run]];
    run = parents[run];
  }
  return run;
}

/**
 * The runs as one byte a pixel, 1 = flagged.
 *
 * @param {Runs} runs
 * @param {number} width
 * @param {number} height
 */
export function runsToMask({ rows, starts, ends, count }, width, height) {
  const mask = new Uint8Array(width * height);
  for (let i = 0; i < count; i++) mask.fill(1, rows[i] * width + starts[i], rows[i] * width + ends[i]);
  return mask;
}

/**
 * Grey opening with −∞ outside: the highest threshold at which each pixel survives the binary opening, so its AUROC
 * is that of the opened masks over all thresholds. Minimum over each size × size window inside the picture, then
 * the maximum of the windows that hold a pixel, got as the minimum of the negatives.
 *
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} height
 * @param {number} size
 */
export function greyOpening(values, width, height, size) {
  if (size === 1) return values;
  if (size > width || size > height) return new Float32Array(values.length).fill(-Infinity);
  const innerWidth = width - size + 1;
  const innerHeight = height - size + 1;
  const eroded = minAlongColumns(minAlongRows(values, width, height, size, 0), innerWidth, height, size, 0);
  const mirrored = minAlongColumns(negated(eroded), innerWidth, innerHeight, size, size - 1);
  return negated(minAlongRows(mirrored, innerWidth, height, size, size - 1));
}

/** @param {Float32Array} values */
function negated(values) {
  for (let i = 0; i < values.length; i++) values[i] = -values[i];
  return values;
}

/**
 * Minimum of each window of `size` pixels along the rows, `margin` pixels of +∞ added at both ends. By van Herk: in
 * blocks of `size`, a window is the tail of one block and the head of the next, so three comparisons a pixel do.
 *
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} height
 * @param {number} size
 * @param {number} margin
 */
function minAlongRows(values, width, height, size, margin) {
  const length = width + 2 * margin;
  const outWidth = length - size + 1;
  const out = new Float32Array(outWidth * height);
  const line = new Float32Array(length).fill(Infinity);
  const heads = new Float32Array(length);
  const tails = new Float32Array(length);
  for (let y = 0; y < height; y++) {
    line.set(values.subarray(y * width, (y + 1) * width), margin);
    for (let start = 0; start < length; start += size) {
      const end = Math.min(start + size, length);
      let least = Infinity;
      for (let x = start; x < end; x++) heads[x] = least = line[x] < least ? line[x] : least;
      least = Infinity;
      for (let x = end - 1; x >= start; x--) tails[x] = least = line[x] < least ? line[x] : least;
    }
    for (let x = 0, at = y * outWidth; x < outWidth; x++, at++) {
      const head = heads[x + size - 1];
      out[at] = tails[x] < head ? tails[x] : head;
    }
  }
  return out;
}

/**
 * The same along the columns, a whole row of them at a time to walk the memory in order.
 *
 * @param {Float32Array} values
 * @param {number} width
 * @param {number} height
 * @param {number} size
 * @param {number} margin
 */
function minAlongColumns(values, width, height, size, margin) {
  const outHeight = height + 2 * margin - size + 1;
  const out = new Float32Array(width * outHeight);
  const outside = new Float32Array(width).fill(Infinity);
  const tails = new Float32Array(width * size);
  const head = new Float32Array(width);
  /** @param {number} y */
  const rowAt = (y) =>
    y < margin || y >= margin + height ? outside : values.subarray((y - margin) * width, (y - margin + 1) * width);
  for (let start = 0; start < outHeight; start += size) {
    tails.set(rowAt(start + size - 1), (size - 1) * width);
    for (let i = size - 2; i >= 0; i--) {
      const row = rowAt(start + i);
      for (let x = 0, at = i * width; x < width; x++, at++) {
        const below = tails[at + width];
        tails[at] = row[x] < below ? row[x] : below;
      }
    }
    out.set(tails.subarray(0, width), start * width);
    head.fill(Infinity);
    const windows = Math.min(size, outHeight - start);
    for (let i = 1; i < windows; i++) {
      const row = rowAt(start + size + i - 1);
      for (let x = 0, at = i * width, to = (start + i) * width; x < width; x++, at++, to++) {
        const least = row[x] < head[x] ? row[x] : head[x];
        head[x] = least;
        out[to] = tails[at] < least ? tails[at] : least;
      }
    }
  }
  return out;
}
