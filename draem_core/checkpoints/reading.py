"""Bytes to named tensors, without executing anything: torch's zip and legacy formats, safetensors.

Torch reads with ``weights_only=True`` and there is no fallback. What the tensors mean is not known here.
"""

import pickle
import pickletools
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from draem_core.checkpoints.files import refusal, shorten

ZIP_START = b"PK\x03\x04"
# torch before 1.6 wrote its magic number as a pickle of protocol 2, then three more pickles, then the raw weights
LEGACY_START = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
LEGACY_PICKLES = 4
PICKLE_STARTS = tuple(bytes((0x80, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1))
# a Lightning checkpoint of the full network with its optimizer needs a quarter of a megabyte
MAX_PICKLE_BYTES = 8 * 2**20
MAX_TENSORS = 20_000

NESTED_UNDER = ("state_dict", "model_state_dict", "model")

COPY_AGAIN = "copy it again from where it was made"
RESAVE = "where you trust it, save its weights alone with torch.save(model.state_dict(), 'model.pth') and open that"
WHICH_FILES = "choose a .ckpt, .pckl, .pth, .pt or .safetensors file that holds a DRAEM network"


@dataclass(frozen=True, eq=False)
class RawCheckpoint:
    """What one file holds: its tensors by their name in the file, what lies around them, and our card as JSON text."""

    tensors: dict[str, Tensor]
    around: dict[str, Any] = field(default_factory=dict)
    card: str | None = None


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


def _check_zip(path: Path, size: int) -> None:
    """Refuse archives that torch.save does not write, before torch sees them: torch would unpack a zip bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise refusal(path, f"is damaged or cut off ({shorten(error)})", COPY_AGAIN) from None
    names = [entry.filename.rpartition("/")[2] for entry in entries]
    if "constants.pkl" in names:
        raise refusal(path, "is a TorchScript program, which holds code, and was refused", RESAVE)
    if "data.pkl" not in names:
        raise refusal(path, "is a zip archive, but not one that torch.save wrote", WHICH_FILES)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise refusal(path, "is compressed inside, which torch.save never does", "save it anew with torch.save")
    if any(e.file_size > MAX_PICKLE_BYTES for e, name in zip(entries, names, strict=True) if name == "data.pkl"):
        raise refusal(path, "has a table of contents too long for a DRAEM checkpoint", RESAVE)


def _check_legacy(path: Path) -> None:
    """Refuse a legacy file whose pickles are damaged or so long that reading them would fill the memory."""
    with path.open("rb") as stream:
        try:
            for _ in range(LEGACY_PICKLES):
                for _code, _argument, position in pickletools.genops(stream):
                    if (position or 0) > MAX_PICKLE_BYTES:
                        raise refusal(path, "has a table of contents too long for a DRAEM checkpoint", RESAVE)
        except ValueError:
            raise refusal(path, "is damaged or cut off", COPY_AGAIN) from None


def _load_torch(path: Path, mmap: bool) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        raise refusal(path, f"{_what_was_refused(error)}, and was refused", RESAVE) from None
    except OSError:
        raise
    except Exception as error:  # hostile bytes raise anything: KeyError, TypeError, RuntimeError, RecursionError …
        raise refusal(path, f"is damaged ({type(error).__name__} while reading it)", COPY_AGAIN) from None


def _what_was_refused(error: pickle.UnpicklingError) -> str:
    if found := re.search(r"GLOBAL ([\w.]{1,100})", str(error)):
        return f"holds code ({shorten(found[1])}), not only weights"
    return "holds something else than plain weights, or is damaged"


def _from_torch(path: Path, content: object) -> RawCheckpoint:
    """Return the layers of a state dict, or of the one that lies inside under a usual name."""
    if not isinstance(content, dict):
        raise refusal(path, f"holds a {type(content).__name__} instead of named layers", RESAVE)
    nested = [content[name] for name in NESTED_UNDER if isinstance(content.get(name), dict)]
    layers, around = (nested[0], content) if nested else (content, {})
    tensors = {name: value for name, value in layers.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return _checked(path, RawCheckpoint(tensors, {key: value for key, value in around.items() if isinstance(key, str)}))


def _read_safetensors(path: Path) -> RawCheckpoint:
    try:
        with safe_open(path, framework="pt", device="cpu") as archive:
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 - no mapping
            metadata = archive.metadata() or {}
    except SafetensorError as error:
        raise refusal(path, f"is a damaged safetensors file ({shorten(error)})", COPY_AGAIN) from None
    except OSError:
        raise
    except Exception as error:
        raise refusal(path, f"is damaged ({type(error).__name__} while reading it)", COPY_AGAIN) from None
    return _checked(path, RawCheckpoint(tensors, card=metadata.get("card")))


def _checked(path: Path, raw: RawCheckpoint) -> RawCheckpoint:
    if not raw.tensors:
        raise refusal(path, "holds no layers", WHICH_FILES)
    if len(raw.tensors) > MAX_TENSORS:
        raise refusal(path, f"holds {len(raw.tensors)} tensors, far more than any DRAEM network", WHICH_FILES)
    return raw
