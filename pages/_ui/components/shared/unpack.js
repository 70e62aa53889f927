// A payload's bytes as its header and named typed arrays: what payload.py packs. Knows no component.

const TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};
const ALIGNMENT = 8; // bytes, of each array's start from the payload's

/**
 * @template [Values=any] a typed array
 * @typedef {{ shape: number[], values: Values }} Packed an array in C order
 */

/**
 * Read one payload. The arrays lie in the payload's own memory where their items' alignment allows, else in a copy.
 *
 * @param {Uint8Array} bytes
 * @returns {{ header: any, arrays: Record<string, Packed> }}
 * @throws {Error} the bytes end too early, or a dtype is not known
 */
export function unpack(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  /** @type {Record<string, Packed>} */
  const arrays = {};
  let start = 4 + length;
  for (const { name, dtype, shape } of told.arrays) {
    const Type = TYPES[/** @type {keyof typeof TYPES} */ (dtype)];
    if (!Type) throw new Error(`array ${name} is ${dtype}; unpack.js knows ${Object.keys(TYPES).join(", ")}`);
    const size = shape.reduce((/** @type {number} */ product, /** @type {number} */ side) => product * side, 1);
    const end = start + size * Type.BYTES_PER_ELEMENT;
    if (end > bytes.length) throw new Error(`the payload has ${bytes.length} bytes, but array ${name} ends at ${end}`);
    const isAligned = (bytes.byteOffset + start) % Type.BYTES_PER_ELEMENT === 0;
    const own = isAligned ? bytes.subarray(start, end) : bytes.slice(start, end); // Streamlit's view starts anywhere
    arrays[name] = { shape, values: new Type(/** @type {ArrayBuffer} */ (own.buffer), own.byteOffset, size) };
    start = end + (-end & (ALIGNMENT - 1));
  }
  return { header: told.header, arrays };
}
