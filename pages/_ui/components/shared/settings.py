"""What the sliders that all live components share can be set to, and how an untrusted source is read into it.

Knows no Streamlit and no picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from draem_core.sweep import KERNEL_SIZES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_KERNEL = max(KERNEL_SIZES)


@dataclass(frozen=True)
class LiveSettings:
    """The three sliders that make a mask.

    sensitivity: in [0, 1]; a pixel is flagged where the map is above 1 − sensitivity, compared as float32.
    kernel_size: odd, 1–31, side of the opening's square in map pixels.
    min_area: 8-connected regions of fewer map pixels are removed.
    logit_scale: the sensitivity slider and its histogram run on a logit axis.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    sensitivity: float = 0.5
    kernel_size: int = 3
    min_area: int = 0
    logit_scale: bool = False

    def __post_init__(self) -> None:
        check_share("sensitivity", self.sensitivity)
        if self.kernel_size % 2 == 0 or not 1 <= self.kernel_size <= MAX_KERNEL:
            raise ValueError(f"kernel_size is {self.kernel_size}; it must be odd, from 1 to {MAX_KERNEL}")
        if self.min_area < 0:
            raise ValueError(f"min_area is {self.min_area}; it must not be negative")

    @property
    def threshold(self) -> np.float32:
        """The value that a map's pixel must exceed, as float32."""
        return np.float32(1 - self.sensitivity)


Settings = TypeVar("Settings", bound="DataclassInstance")  # frozen, with a default for each field


def check_share(name: str, value: float) -> None:
    """Raise ValueError, in a sentence, for a value outside [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")


def read_settings(values: Mapping[str, object], default: Settings) -> Settings:
    """``values`` from outside (a URL's strings, the browser's state) over ``default``.

    An unknown name is ignored; a value that cannot be read or lies outside its range keeps the default.
    """
    settings = default
    for field in fields(default):
        if field.name not in values:
            continue
        try:
            value = _convert(values[field.name], type(getattr(default, field.name)))
            settings = replace(settings, **{field.name: value})
        except (TypeError, ValueError, OverflowError):
            continue
    return settings


def _convert(value: object, kind: type) -> object:
    if kind is bool:
        text = str(value).lower()
        if text not in ("true", "1", "false", "0"):
            raise ValueError(f"{value!r} is neither true nor false")
        return text in ("true", "1")
    if kind is int:
        number = float(str(value))
        if number != int(number):
            raise ValueError(f"{value!r} is not a whole number")
        return int(number)
    return kind(str(value))
