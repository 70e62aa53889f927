"""A folder's names: its sub-folders and pictures, and what a picture's name has in common with its mask's.

Opens no file. Must not know layouts, splits or labels.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from draem_core.data.images import IMAGE_SUFFIXES
from draem_core.formatting import as_text, counted, is_text, some

MOST_FOLDERS = 5000
"""In how many folders below a root one looks for what is left out: it may be somebody's whole disk."""


@dataclass(eq=False)
class Gate:
    """What is left out while a root is listed; without a root, links lead anywhere."""

    root: Path | None = None
    unreadable: set[Path] = field(default_factory=set)
    links: set[Path] = field(default_factory=set)

    def leads_out(self, link: Path) -> bool:
        """Tell whether a link leads out of the root, or nowhere. Raises OSError for one in a circle."""
        return self.root is not None and not link.resolve().is_relative_to(self.root)

    def notes(self) -> list[str]:
        """Return sentences about what was left out."""
        notes = []
        if self.unreadable:
            notes.append(unreadable_note(sorted(path.name for path in self.unreadable)))
        if self.links:
            verb, what = ("leads", "it leads") if len(self.links) == 1 else ("lead", "they lead")
            notes.append(
                f"{counted(len(self.links), 'link')} that {verb} out of the dataset's folder left out: "
                f"{some(sorted(path.name for path in self.links))}; copy what {what} to into it."
            )
        return notes


_gate: ContextVar[Gate | None] = ContextVar("gate", default=None)


@contextmanager
def listing(root: Path) -> Iterator[Gate]:
    """Let `scan` take nothing from outside ``root``, and collect what it leaves out."""
    gate = Gate(root.resolve())
    token = _gate.set(gate)
    try:
        yield gate
    finally:
        _gate.reset(token)


def unreadable_note(names: list[str]) -> str:
    """Return a sentence about names that are no UTF-8."""
    is_left, them = ("is no UTF-8 and left out", "it") if len(names) == 1 else ("are no UTF-8 and left out", "them")
    return f"{counted(len(names), 'name')} {is_left}: {some([as_text(name) for name in names])}; rename {them}."


def unreadable_names(root: Path) -> list[str]:
    """Return the visible names of files and folders below ``root`` that are no UTF-8; of links only their own."""
    found: list[str] = []
    for looked, (_, folders, files) in enumerate(os.walk(root)):
        if looked == MOST_FOLDERS:
            break
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [name for name in (*folders, *files) if not name.startswith(".") and not is_text(name)]
    return sorted(found)


@dataclass(frozen=True)
class Folder:
    """A folder's visible sub-folders and pictures by name, in order."""

    path: Path
    folders: dict[str, Path]
    pictures: dict[str, Path]

    def sub(self, *names: str) -> "Folder | None":
        """Return the first sub-folder that has one of ``names`` in any case."""
        for name in names:
            for own, path in self.folders.items():
                if own.lower() == name:
                    return scan(path)
        return None


def scan(path: Path) -> Folder:
    """List a folder, without what is hidden and what is neither folder nor picture. Raises OSError.

    Names that are no UTF-8 are left out, and within `listing` also links that lead out of its root.
    """
    gate = _gate.get() or Gate()
    folders: list[str] = []
    pictures: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not is_text(entry.name):
                gate.unreadable.add(path / entry.name)
                continue
            try:
                if entry.is_symlink() and gate.leads_out(path / entry.name):
                    if entry.is_dir() or _suffix(entry.name) in IMAGE_SUFFIXES:
                        gate.links.add(path / entry.name)
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif _suffix(entry.name) in IMAGE_SUFFIXES and entry.is_file():
                    pictures.append(entry.name)
            except OSError:
                continue  # a link in a circle
    return Folder(
        path, {name: path / name for name in sorted(folders)}, {name: path / name for name in sorted(pictures)}
    )


def below(folder: Folder) -> dict[str, Path]:
    """Return the pictures of a folder and of all folders in it, by their path below it; its own come first.

    Folders that are links are not entered, so that nothing goes round in a circle. Raises OSError.
    """
    found = dict(folder.pictures)
    for name, path in folder.folders.items():
        if not path.is_symlink():
            found |= {f"{name}/{inner}": picture for inner, picture in below(scan(path)).items()}
    return found


def stem_of(name: str) -> str:
    """Return the name without its suffix, in lower case: what a picture and its mask have in common."""
    return name.rpartition(".")[0].lower()


def relative(path: Path, root: Path) -> str:
    """Return the path below ``root`` with forward slashes; what is no UTF-8 is escaped, so that it can be written."""
    return as_text(path.relative_to(root).as_posix())


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()
