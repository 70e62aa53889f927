"""What the Synthetic page is set to, and how an untrusted source (a link, the browser) is read into it.

Knows no Streamlit and no picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args, get_type_hints

from draem_core.synthesis.sample import AnomalySource, SampleOverrides
from pages._ui.components.shared.settings import LiveSettings, read_settings

KINDS: tuple[AnomalySource, ...] = get_args(AnomalySource)
FIRST_SEED = 17  # the page opens with a clear anomaly
MOST_SEED = 2**31 - 1
NONE = -1
_OLD_STEPS = {"piece": "patch"}  # stages as earlier links name them


@dataclass(frozen=True)
class SampleSelection:
    """What is looked at, besides the rule that makes the mask.

    seed: of the sample. kind: "texture" or "cutpaste". textures: a folder's short name, empty for the built-in ones.
    step: the key of the stage that is pointed at, empty for none.
    at_row, at_column: the pixel that is followed, on the map's grid; −1 follows none.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    seed: int = FIRST_SEED
    kind: AnomalySource = "texture"
    textures: str = ""
    step: str = ""
    at_row: int = NONE
    at_column: int = NONE

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MOST_SEED:
            raise ValueError(f"seed is {self.seed}; it must lie between 0 and {MOST_SEED}")
        for name in ("at_row", "at_column"):
            if getattr(self, name) < NONE:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be {NONE} or more")
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class SyntheticSettings(LiveSettings, SampleSelection, SampleOverrides):
    """All that a link to the page says: the mask's rule, what is looked at, and what was set by hand."""

    def __post_init__(self) -> None:
        for part in (LiveSettings, SampleSelection, SampleOverrides):
            part.__post_init__(self)

    @classmethod
    def joined(cls, rule: LiveSettings, selection: SampleSelection, hand: SampleOverrides) -> "SyntheticSettings":
        return cls(**vars(rule), **vars(selection), **vars(hand))

    @property
    def rule(self) -> LiveSettings:
        return LiveSettings(**_part(self, LiveSettings))

    @property
    def selection(self) -> SampleSelection:
        return SampleSelection(**_part(self, SampleSelection))

    @property
    def hand(self) -> SampleOverrides:
        return SampleOverrides(**_part(self, SampleOverrides))


OWN_NAMES = frozenset(field.name for kind in (SampleSelection, SampleOverrides) for field in fields(kind))


def read(values: Mapping[str, object], rule: LiveSettings) -> SyntheticSettings:
    """Return selection and hand as ``values`` say, over the defaults; what cannot be read is ignored."""
    said = {name: value for name, value in values.items() if value not in (None, "")}
    if (step := str(said.get("step"))) in _OLD_STEPS:
        said["step"] = _OLD_STEPS[step]
    settings = SyntheticSettings(**vars(rule), **vars(read_settings(said, SampleSelection())))
    for name, kind in _HAND_TYPES.items():
        if name not in said:
            continue
        try:
            changed: dict[str, Any] = {name: _converted(said[name], kind)}
            settings = replace(settings, **changed)
        except (TypeError, ValueError, OverflowError):
            continue
    return settings


_HAND_TYPES: dict[str, type] = {name: get_args(hint)[0] for name, hint in get_type_hints(SampleOverrides).items()}


def _converted(value: object, kind: type) -> object:
    if kind is str:
        return str(value)
    number = float(str(value))
    if kind is int:
        if number != int(number):
            raise ValueError(f"{value!r} is not a whole number")
        return int(number)
    return number


def _part(settings: SyntheticSettings, kind: type) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(kind)}
