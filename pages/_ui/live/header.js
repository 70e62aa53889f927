// The header of a payload that payload.py's with_header wrote.

/** Read one length-prefixed JSON header; returns it with the bytes behind it. */
export function readHeader(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { header, rest: bytes.subarray(4 + length) };
}
