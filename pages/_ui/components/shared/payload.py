"""Named arrays as the bytes that a component's JavaScript unpacks (unpack.js): the one format that Python sends.

Layout, little-endian: uint32 length of the JSON that follows; JSON ``{"header": …, "arrays": [{"name", "dtype",
"shape"}, …]}``, padded with spaces; then each array's bytes in C order. Every array starts on a multiple of 8 bytes
from the payload's first, so that a browser can look at it in place. Knows no Streamlit and no component.
"""

import hashlib
import json
from collections.abc import Mapping

import numpy as np

DTYPES = ("uint8", "uint16", "int32", "float32", "float64")  # as unpack.js knows them
_ALIGNMENT = 8  # bytes, the largest item


def pack(header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a header and arrays of any shape as one payload; a payload in it is packed by ``as_array``.

    Raises ValueError where the header is no JSON (it knows neither NaN nor infinity) or an array's dtype is none of
    ``DTYPES``.
    """
    described = [{"name": name, "dtype": _dtype(name, one), "shape": one.shape} for name, one in arrays.items()]
    try:
        text = json.dumps({"header": dict(header), "arrays": described}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"the header cannot be sent as JSON: {error}") from error
    text += b" " * (-(4 + len(text)) % _ALIGNMENT)
    parts: list[bytes | memoryview] = [len(text).to_bytes(4, "little"), text]
    for array in arrays.values():
        blob = _bytes(array)
        parts += [blob, bytes(-len(blob) % _ALIGNMENT)]
    return b"".join(parts)


def as_array(payload: bytes) -> np.ndarray:
    """Return bytes, such as a packed payload or a file's, as an array (N,) uint8 over the same memory."""
    return np.frombuffer(payload, np.uint8)


def digest_of(header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> str:
    """Return 24 hexadecimal digits that change when anything of what is packed does."""
    digest = hashlib.blake2b(json.dumps(header).encode(), digest_size=12)
    for name, array in arrays.items():
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(_bytes(array))
    return digest.hexdigest()


def _dtype(name: str, array: np.ndarray) -> str:
    if array.dtype.name not in DTYPES:
        raise ValueError(f"array {name!r} is {array.dtype.name}; a payload takes {', '.join(DTYPES)}")
    return array.dtype.name


def _bytes(array: np.ndarray) -> memoryview:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).ravel().view(np.uint8).data
