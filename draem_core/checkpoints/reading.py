"""Bytes to named tensors, without executing anything: torch's zip and legacy formats, safetensors.

Torch reads with ``weights_only=True`` and there is no fallback. What the tensors mean is not known here.
"""

import os
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from draem_core.checkpoints.files import refusal, shorten
from draem_core.errors import CheckpointError

ZIP_START = b"PK\x03\x04"
# torch before 1.6 wrote its magic number as a pickle of protocol 2, then three more pickles, then the raw weights
LEGACY_START = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
LEGACY_PICKLES = 4
PICKLE_STARTS = tuple(bytes((0x80, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1))
# a Lightning checkpoint with its optimizer's state needs 120 kB, whatever its widths
MAX_PICKLE_BYTES = 2**20
MAX_TENSORS = 20_000

MAX_DEPTH = 4  # of dictionaries in dictionaries that are searched for layers

COPY_AGAIN = "copy it again from where it was made"
RESAVE = "where you trust it, save its weights alone with torch.save(model.state_dict(), 'model.pth') and open that"
WHICH_FILES = "choose a .ckpt, .pckl, .pth, .pt or .safetensors file that holds a DRAEM network"


Place = tuple[str, ...]
"""The keys that lead to a dictionary in a file; () is the top."""


@dataclass(frozen=True, eq=False)
class RawCheckpoint:
    """What one file holds.

    tables: its tensors by their name, for each dictionary in the file that has any, by its place.
    around: what lies at the top, beside them. card: our own, as JSON text.
    """

    tables: dict[Place, dict[str, Tensor]]
    around: dict[str, Any] = field(default_factory=dict)
    card: str | None = None

    def joined(self, other: "RawCheckpoint") -> "RawCheckpoint":
        """Return both parts of one checkpoint as a whole; of two tensors of one name the first stays."""
        places = dict.fromkeys([*self.tables, *other.tables])
        tables = {place: {**other.tables.get(place, {}), **self.tables.get(place, {})} for place in places}
        return RawCheckpoint(tables, other.around | self.around, self.card or other.card)


def read_raw(path: Path) -> RawCheckpoint:
    """Return the tensors of one file, told by its first bytes; they may still be mapped from the disk.

    Raises CheckpointError when the file is none of the known formats, damaged, or more than plain weights.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(16)
    if start.startswith(ZIP_START):
        _check_zip(path, size)
        return _from_torch(path, _load_torch(path, mmap=True))
    if start.startswith(LEGACY_START):
        _check_legacy(path)
        return _from_torch(path, _load_torch(path, mmap=False))
    if start.startswith(PICKLE_STARTS):
        raise refusal(path, "is a plain Python pickle, which can hold code, and was refused unopened", RESAVE)
    if path.suffix.lower() == ".safetensors" or start[8:9] == b"{":
        return _read_safetensors(path)
    raise refusal(path, "is not a checkpoint: neither torch.save nor safetensors writes such a file", WHICH_FILES)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Turn whatever hostile bytes raise in a parser (KeyError, MemoryError, RecursionError …) into a sentence."""
    try:
        yield
    except (CheckpointError, OSError):
        raise
    except Exception as error:
        reason = shorten(f"{type(error).__name__}: {error}")
        raise refusal(path, f"is damaged or cut off ({reason})", COPY_AGAIN) from None


def _check_zip(path: Path, size: int) -> None:
    """Refuse archives that torch.save does not write, before torch sees them: torch would unpack a zip bomb."""
    with _translate_errors(path), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    names = [entry.filename.rpartition("/")[2] for entry in entries]
    if "constants.pkl" in names:
        raise refusal(path, "is a TorchScript program, which holds code, and was refused", RESAVE)
    if "data.pkl" not in names:
        raise refusal(path, "is a zip archive, but not one that torch.save wrote", WHICH_FILES)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise refusal(path, "is compressed inside, which torch.save never does", "save it anew with torch.save")
    index = entries[names.index("data.pkl")]
    with _translate_errors(path), path.open("rb") as stream:
        stream.seek(index.header_offset + 26)  # a zip entry: 26 bytes, two lengths, name, extra field, content
        name_length, extra_length = struct.unpack("<HH", stream.read(4))
        stream.seek(name_length + extra_length, os.SEEK_CUR)
        _check_pickle(path, stream)


def _check_legacy(path: Path) -> None:
    with _translate_errors(path), path.open("rb") as stream:
        for _ in range(LEGACY_PICKLES):
            _check_pickle(path, stream)


def _check_pickle(path: Path, stream: BinaryIO) -> None:
    """Disassemble one pickle and refuse what would fill the memory before torch's own checks see it."""
    start = stream.tell()
    for opcode, argument, position in pickletools.genops(stream):
        if (position or start) - start > MAX_PICKLE_BYTES:
            raise refusal(path, "has a table of contents too long for a DRAEM checkpoint", RESAVE)
        if opcode.name == "GLOBAL" and str(argument).endswith(" bytearray"):  # torch lets it allocate any length
            raise refusal(path, "holds code (bytearray), not only weights, and was refused", RESAVE)


def _load_torch(path: Path, mmap: bool) -> object:
    with _translate_errors(path):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        except pickle.UnpicklingError as error:
            raise refusal(path, f"{_what_was_refused(error)}, and was refused", RESAVE) from None


def _what_was_refused(error: pickle.UnpicklingError) -> str:
    if found := re.search(r"GLOBAL ([\w.]{1,100})", str(error)):
        return f"holds code ({shorten(found[1])}), not only weights"
    return "holds something else than plain weights, or is damaged"


def _from_torch(path: Path, content: object) -> RawCheckpoint:
    """Return the layers of a state dict, and of those that lie in it under whatever key."""
    if not isinstance(content, dict):
        raise refusal(path, f"holds a {type(content).__name__} instead of named layers", RESAVE)
    tables = {}
    for place, entries in _dictionaries(content):
        tensors = {
            name: value for name, value in entries.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            tables[place] = tensors
    around = {key: value for key, value in content.items() if isinstance(key, str)}
    return _checked(path, RawCheckpoint(tables, around))


def _dictionaries(content: dict[Any, Any]) -> Iterator[tuple[Place, Mapping[Any, Any]]]:
    """Yield every dictionary under text keys, once each, the outer before the inner; an optimizer's are left out."""
    waiting: list[tuple[Place, dict[Any, Any]]] = [((), content)]
    seen = {id(content)}  # a hostile file can hold itself
    for place, entries in waiting:
        yield place, entries
        if len(place) == MAX_DEPTH:
            continue
        for key, value in entries.items():
            if (
                isinstance(value, dict)
                and isinstance(key, str)
                and not key.startswith("optim")
                and id(value) not in seen
            ):
                seen.add(id(value))
                waiting.append(((*place, key), value))


def _read_safetensors(path: Path) -> RawCheckpoint:
    with _translate_errors(path), safe_open(path, framework="pt", device="cpu") as archive:
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 - no mapping
        metadata = archive.metadata() or {}
    return _checked(path, RawCheckpoint({(): tensors} if tensors else {}, card=metadata.get("card")))


def _checked(path: Path, raw: RawCheckpoint) -> RawCheckpoint:
    if not raw.tables:
        keys = [shorten(key, 40) for key in raw.around]
        found = (
            f"its keys are {', '.join(keys[:8])}{', …' if len(keys) > 8 else ''}"
            if keys
            else "nothing in it has a name"
        )
        where = f"holds no layers, neither at its top nor in dictionaries up to {MAX_DEPTH} keys deep ({found})"
        raise refusal(path, where, WHICH_FILES)
    count = sum(len(tensors) for tensors in raw.tables.values())
    if count > MAX_TENSORS:
        raise refusal(path, f"holds {count} tensors, far more than any DRAEM network", WHICH_FILES)
    return raw
