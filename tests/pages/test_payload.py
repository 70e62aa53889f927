"""One payload format for Python and the browser; tests/javascript/unpack.test.js reads the same example."""

import json
from pathlib import Path

import numpy as np
import pytest
from payloads import unpack

from pages._ui.components.shared.payload import DTYPES, as_array, digest_of, pack

EXAMPLE = json.loads(Path("tests/javascript/payload.json").read_text("utf-8"))
ARRAYS = {one["name"]: np.array(one["values"], one["dtype"]).reshape(one["shape"]) for one in EXAMPLE["arrays"]}


def test_the_examples_bytes_are_what_is_packed_and_what_is_read() -> None:
    payload = bytes.fromhex(EXAMPLE["hexadecimal"])
    assert pack(EXAMPLE["header"], ARRAYS) == payload
    header, arrays = unpack(payload)
    assert header == EXAMPLE["header"]
    assert {array.dtype.name for array in arrays.values()} == {*DTYPES}, "the example has every dtype"
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_the_first_bytes_are_as_the_layout_says() -> None:
    text = b'{"header": {}, "arrays": [{"name": "a", "dtype": "uint16", "shape": [2]}]}'
    assert len(text) == 74  # and two spaces, so that 4 + 76 = 80 is a multiple of 8
    payload = pack({}, {"a": np.array([1, 258], np.uint16)})
    assert payload == bytes([76, 0, 0, 0]) + text + b"  " + bytes([1, 0, 2, 1]) + bytes(4)


def test_what_lies_otherwise_in_memory_is_packed_the_same() -> None:
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    same = (np.asfortranarray(plain), plain.astype(">f4"), np.repeat(plain, 2, axis=1)[:, ::2])
    assert {pack({}, {"a": one}) for one in same} == {pack({}, {"a": plain})}
    assert {digest_of({}, {"a": one}) for one in same} == {digest_of({}, {"a": plain})}


def test_a_payload_travels_in_another() -> None:
    inner = pack({"title": "é"}, {"a": np.array([0.5])})
    header, arrays = unpack(pack({"revision": 3}, {"scene": as_array(inner)}))
    assert header == {"revision": 3}
    assert arrays["scene"].tobytes() == inner
    assert unpack(arrays["scene"])[0] == {"title": "é"}


@pytest.mark.parametrize("dtype", ["bool", "int64", "float16", "complex64"])
def test_a_dtype_that_the_browser_does_not_know_is_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match=f"array 'truth' is {dtype}; a payload takes uint8, uint16"):
        pack({}, {"truth": np.zeros(3, dtype)})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}])
def test_a_header_that_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="the header cannot be sent as JSON"):
        pack({"value": value}, {})


def test_a_digest_tells_header_names_shapes_and_values_apart() -> None:
    array = np.arange(6, dtype=np.uint8)
    digests = {
        digest_of({}, {"a": array}),
        digest_of({"title": "x"}, {"a": array}),
        digest_of({}, {"b": array}),
        digest_of({}, {"a": array.reshape(2, 3)}),
        digest_of({}, {"a": array + 1}),
        digest_of({}, {"a": array[:4], "b": array[4:]}),
    }
    assert len(digests) == 6
    assert digest_of({}, {"a": array.copy()}) in digests
