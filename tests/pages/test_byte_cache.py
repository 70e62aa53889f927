"""Caches that count bytes: what goes first, what stays, what is made once."""

import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch

from pages._ui.common import byte_cache, library
from pages._ui.common.byte_cache import ByteCache, cached_by_bytes, size_of


@dataclass(frozen=True)
class Held:
    pixels: np.ndarray
    name: str = ""


def test_sizes():
    assert size_of(np.zeros((3, 5), np.float32)) == 60
    assert size_of(torch.zeros(7, dtype=torch.int16)) == 14
    assert size_of([np.zeros(10), (np.zeros(1), np.zeros(1))]) == 96
    assert size_of(Held(np.zeros(1000))) - size_of(Held(np.zeros(0))) == 8000
    assert size_of({"a": np.zeros(1000)}) > 8000
    assert size_of(bytes(5000)) - size_of(b"") == 5000
    assert size_of(pd.DataFrame({"a": np.zeros(1000)})) >= 8000


def test_what_was_used_longest_ago_goes_first():
    cache = ByteCache(250)
    made = []

    def get(key: str, size: int = 100) -> np.ndarray:
        return cache.get(key, lambda: made.append(key) or np.zeros(size, np.uint8))

    for key in ("a", "b", "a", "c", "a", "b"):  # c drives b out, which is made again and drives c out
        get(key)
    assert made == ["a", "b", "c", "b"]
    assert cache.held == 200
    get("large", 300)  # beyond the limit by itself, and kept alone: it is what somebody looks at
    assert (len(cache), cache.held) == (1, 300)
    get("large", 300)
    assert made[-2:] == ["b", "large"]


def test_two_who_ask_at_once_wait_for_one_making():
    cache, started, go_on, made = ByteCache(100), threading.Event(), threading.Event(), []

    def make() -> bytes:
        made.append(1)
        started.set()
        go_on.wait(30)
        return b"x"

    results = []
    threads = [threading.Thread(target=lambda: results.append(cache.get("key", make))) for _ in range(2)]
    threads[0].start()
    started.wait(30)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert (results, made) == ([b"x", b"x"], [1])


def test_errors_are_not_kept():
    cache = ByteCache(100)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 / 0)
    assert cache.get("key", lambda: 5) == 5


def test_the_decorator_leaves_underscored_arguments_out_of_the_key():
    calls = []

    @cached_by_bytes(1000)
    def double(number: int, _label: str) -> int:
        calls.append(_label)
        return 2 * number

    st.cache_resource.clear()
    assert [double(2, "a"), double(2, "b"), double(number=3, _label="c")] == [4, 4, 6]
    assert calls == ["a", "c"]


def test_the_librarys_pictures_are_bounded_by_bytes(monkeypatch):
    st.cache_resource.clear()
    caches = []
    monkeypatch.setattr(byte_cache, "_cache", lambda *_: caches[0] if caches else caches.append(ByteCache(10_000)))
    byte_cache._cache()
    from draem_core.data.images import encode_png

    for value in range(20):  # 3,000 bytes each
        picture = library.uploaded_picture(f"{value}.png", encode_png(np.full((25, 40, 3), value, np.uint8)))
        assert picture.pixels.max() == value
    assert len(caches[0]) == 3
    assert 9000 <= caches[0].held <= 10_000
