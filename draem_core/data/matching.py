"""Which of the files that may be masks belongs to which picture of its group.

By name; only files of one name are opened, to tell the picture from its mask. Must not know layouts or samples.
"""

from collections import Counter
from pathlib import Path

from draem_core.data.folders import stem_of
from draem_core.data.masks import masks_among

_ENDINGS = ("_mask", "_label", "_gt", "-mask", "-label", "-gt", "")

Files = dict[str, Path]  # by their path below a folder of their own


def told_apart(files: Files) -> tuple[Files, Files, list[str]]:
    """Return pictures, the masks that lie beside them under the same name, and names of which that remains unclear.

    Opens those files whose name occurs twice but for its suffix, and no others.
    """
    by_stem: dict[str, list[str]] = {}
    for name in files:
        by_stem.setdefault(stem_of(name), []).append(name)
    masks: Files = {}
    unclear: list[str] = []
    for names in (names for names in by_stem.values() if len(names) > 1):
        found = masks_among([files[name] for name in names])
        masks |= {name: files[name] for name in names if files[name] in found}
        unclear += [] if found else [names[0]]
    return {name: path for name, path in files.items() if name not in masks}, masks, unclear


class Masks:
    """A group's masks by name, taken picture by picture; what is ``left`` at the end fits none."""

    def __init__(self, masks: Files, pictures: Files) -> None:
        self._whole: dict[str, Path] = {}
        self._parts: dict[str, list[str]] = {}
        self._spare: list[Path] = []
        for name, path in masks.items():
            stem = stem_of(name)
            if stem in self._whole:
                self._spare.append(path)  # of the same name and another suffix
                continue
            self._whole[stem] = path
            if "/" in stem:
                self._parts.setdefault(stem.rpartition("/")[0], []).append(stem)
        self._last = Counter(_last(stem_of(name)) for name in pictures)

    def take(self, stem: str) -> list[Path]:
        """Return the mask of the picture ``stem``: 000_mask, 000_label, 000_gt, 000 itself, or all in a folder 000.

        The mask of a picture in a sub-folder may lie outside of it, where no other picture has its name.
        """
        for own in (stem, _last(stem)) if self._last[_last(stem)] == 1 else (stem,):
            for ending in _ENDINGS:
                if (mask := self._whole.pop(own + ending, None)) is not None:
                    return [mask]
                parts = [self._whole.pop(part, None) for part in self._parts.pop(own + ending, [])]
                if found := [part for part in parts if part is not None]:
                    return found
        return []

    @property
    def left(self) -> list[Path]:
        """The masks that no picture took."""
        return [*self._whole.values(), *self._spare]


def _last(stem: str) -> str:
    return stem.rpartition("/")[2]
