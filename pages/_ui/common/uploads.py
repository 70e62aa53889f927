"""Uploaded pictures for as long as a session lasts: Streamlit forgets an uploader's files once it is out of sight."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

MOST_BYTES = 256_000_000  # of a session's earlier uploads together
_UPLOADS = "_uploads"  # in the session


@dataclass(frozen=True)
class Upload:
    """A file as it was sent."""

    name: str
    content: bytes = field(repr=False)


@dataclass
class _Kept:
    """``earlier``: of an uploader that was out of sight since; ``present``: what the one on the page holds.

    left_out: names that ``MOST_BYTES`` has no room for. generation: changes the uploader's key, which empties it.
    """

    earlier: tuple[Upload, ...] = ()
    present: tuple[Upload, ...] = ()
    left_out: tuple[str, ...] = ()
    generation: int = 0


def uploader_key() -> str:
    """Return the key of the uploader to draw."""
    generation = _kept().generation
    return f"pictures {generation}" if generation else "pictures"


def take(present: Sequence[Upload], changed: bool) -> tuple[Upload, ...]:
    """Return all uploads of the session, earlier ones first, with what the uploader holds now.

    changed: whether a hand changed it. An uploader that is otherwise than it was, by no hand, was out of sight.
    """
    kept = _kept()
    if not changed and not present and kept.present:
        kept.earlier, kept.left_out = within((*kept.earlier, *kept.present), MOST_BYTES)
    kept.present = tuple(present)
    return (*kept.earlier, *kept.present)


def left_out() -> tuple[str, ...]:
    """Return the names of uploads that are gone for want of room."""
    return _kept().left_out


def forget() -> None:
    """Remove every upload, those in the uploader too."""
    st.session_state[_UPLOADS] = _Kept(generation=_kept().generation + 1)


def within(uploads: Sequence[Upload], most: int) -> tuple[tuple[Upload, ...], tuple[str, ...]]:
    """Return the newest uploads that take at most ``most`` bytes together, in their order, and the others' names."""
    kept: list[Upload] = []
    gone: list[str] = []
    total = 0
    for upload in reversed(uploads):
        if total + len(upload.content) <= most:
            total += len(upload.content)
            kept.insert(0, upload)
        else:
            gone.insert(0, upload.name)
    return tuple(kept), tuple(gone)


def _kept() -> _Kept:
    kept: _Kept = st.session_state.setdefault(_UPLOADS, _Kept())
    return kept
