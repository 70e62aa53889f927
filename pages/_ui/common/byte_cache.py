"""Results that all browser sessions share, bounded by the bytes they hold, not by their number.

``st.cache_resource`` counts entries: 32 pictures may be 6 MB or 9.6 GB. Here what was used longest ago goes first.
"""

import inspect
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import streamlit as st
import torch

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

MB = 2**20


class ByteCache:
    """Values by key, together at most ``limit`` bytes; the newest stays in any case."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of ``key``, made where it is not there; two who ask at once wait for one making."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key][0]
            try:
                value = make()
                self._keep(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
            return value

    def _keep(self, key: Hashable, value: Any) -> None:
        size = size_of(value)
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = value, size
            self.held += size - before
            while self.held > self.limit and len(self._values) > 1:
                _, (_, freed) = self._values.popitem(last=False)
                self.held -= freed


def cached_by_bytes(
    limit: int, show_spinner: str = ""
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Cache a function's results as ``st.cache_resource`` does, up to ``limit`` bytes.

    Arguments whose name begins with an underscore are no part of the key; the others must be hashable and small.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        signature = inspect.signature(function)

        @wraps(function)
        def cached(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            bound = signature.bind(*args, **kwargs)
            key = tuple(value for name, value in bound.arguments.items() if not name.startswith("_"))

            def make() -> Result:
                with st.spinner(show_spinner) if show_spinner else nullcontext():
                    return function(*args, **kwargs)

            result: Result = _cache(function.__module__, function.__qualname__, limit).get(key, make)
            return result

        return cached

    return decorate


@st.cache_resource(show_spinner=False)
def _cache(module: str, name: str, limit: int) -> ByteCache:
    return ByteCache(limit)


def size_of(value: object) -> int:
    """Return about how many bytes of arrays, tensors, tables and texts a value holds; what is shared counts twice."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, pd.DataFrame):
        return int(value.memory_usage(index=True, deep=True).sum())
    if isinstance(value, Mapping):
        return sum(size_of(key) + size_of(held) for key, held in value.items())
    if isinstance(value, (tuple, list, set, frozenset)):
        return sum(map(size_of, value))
    if is_dataclass(value) and not isinstance(value, type):
        return sum(size_of(getattr(value, field.name)) for field in fields(value))
    return sys.getsizeof(value)
