import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { unpack } from "../../pages/_ui/components/shared/unpack.js";

// tests/test_payload.py packs the same example to the same bytes
const example = JSON.parse(readFileSync(new URL("payload.json", import.meta.url), "utf8"));
const bytes = Uint8Array.from(Buffer.from(example.hexadecimal, "hex"));
const TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

for (let offset = 0; offset < 9; offset++)
  test(`every dtype comes back, from bytes that start at ${offset}`, () => {
    const message = new Uint8Array(offset + bytes.length + 5);
    message.set(bytes, offset);
    const { header, arrays } = unpack(message.subarray(offset, offset + bytes.length));
    assert.deepEqual(header, example.header);
    assert.deepEqual(Object.keys(arrays), ["bytes", "counts", "whole", "single", "double", "nothing", "scalar"]);
    for (const { name, dtype, shape, values } of example.arrays) {
      assert.deepEqual(arrays[name].shape, shape);
      assert.deepEqual(arrays[name].values, TYPES[dtype].from(values));
    }
  });

test("an array lies in the payload's own memory where its items' alignment allows", () => {
  const message = new Uint8Array(4 + bytes.length);
  message.set(bytes, 4);
  const { arrays } = unpack(message.subarray(4));
  assert.equal(arrays.bytes.values.buffer, message.buffer);
  assert.equal(arrays.whole.values.buffer, message.buffer);
  assert.notEqual(arrays.double.values.buffer, message.buffer);
});

test("bytes that end too early are refused", () => {
  assert.throws(() => unpack(bytes.subarray(0, bytes.length - 8)), {
    message: "the payload has 568 bytes, but array scalar ends at 576",
  });
});

test("a dtype that is not known is refused", () => {
  const text = '{"header":{},"arrays":[{"name":"a","dtype":"int64","shape":[1]}]}';
  const payload = new Uint8Array([text.length, 0, 0, 0, ...Buffer.from(text), ...new Uint8Array(16)]);
  assert.throws(() => unpack(payload), {
    message: "array a is int64; unpack.js knows uint8, uint16, int32, float32, float64",
  });
});
