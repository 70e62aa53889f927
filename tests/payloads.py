"""What Python sends to the browser's components, read as unpack.js reads it."""

import json
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest


def unpack(payload: bytes | np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a payload's header and its arrays; a nested payload is one of them."""
    payload = bytes(payload)
    start = 4 + int.from_bytes(payload[:4], "little")
    told = json.loads(payload[4:start], parse_constant=_refuse)
    arrays = {}
    for one in told["arrays"]:
        assert start % 8 == 0, "an array starts on a multiple of 8"
        flat = np.frombuffer(payload, np.dtype(one["dtype"]).newbyteorder("<"), int(np.prod(one["shape"])), start)
        arrays[one["name"]] = flat.reshape(one["shape"])
        start += flat.nbytes + -flat.nbytes % 8
    assert start == len(payload)
    return told["header"], arrays


def sent(at: AppTest, component: str) -> bytes:
    """Return what a page sent to a component last. Raises StopIteration where it is not on the page."""
    return next(one.proto.bytes for one in at.get("bidi_component") if one.proto.component_name.endswith(component))


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
