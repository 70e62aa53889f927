"""Checkpoint files as the file system sees them: which there are, which belong together, how large, which digest.

Knows nothing of what is inside a file.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from draem_core.errors import CheckpointError
from draem_core.formatting import is_text

MAX_CHECKPOINT_BYTES = 4 * 2**30
LIMIT_VARIABLE = "DRAEM_MAX_CHECKPOINT_MB"

SUFFIXES = frozenset({".ckpt", ".pckl", ".pth", ".pt", ".safetensors"})
PAIR_SUFFIXES = frozenset({".pckl", ".pth", ".pt"})
PAIR_ENDING = "_seg"

MAX_PARTS = 99
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})")  # m-00001-of-00002.safetensors, as Hugging Face's libraries split

_CHUNK = 2**20
_SHOWN = 80


def refusal(path: Path, wrong: str, remedy: str) -> CheckpointError:
    """Return the error whose sentence names the file, what is wrong with it and what to do."""
    return CheckpointError(f"{path.name or path} {wrong}; {remedy}.")


def shorten(text: object, limit: int = _SHOWN) -> str:
    """Return text from a file, made fit for a message: printable and at most ``limit`` characters."""
    cleaned = "".join(sign if sign.isprintable() else "�" for sign in str(text)[: limit + 1])
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def size_limit() -> int:
    """Return the largest checkpoint to be opened, in bytes: the environment's limit, else MAX_CHECKPOINT_BYTES."""
    stated = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not stated:
        return MAX_CHECKPOINT_BYTES
    if not stated.isdecimal() or int(stated[:12]) == 0:
        raise CheckpointError(
            f"The environment variable {LIMIT_VARIABLE} is {shorten(stated)!r}, which is no limit in megabytes; "
            f"set it to a whole number such as 4096, or unset it."
        )
    return int(stated[:12]) * 2**20


def check_size(path: Path, max_bytes: int) -> int:
    """Return the size of a regular file in bytes, without reading it.

    Raises CheckpointError for what cannot or should not be opened: missing, a folder, a device or pipe, empty, too
    large.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise refusal(path, f"was not found in {path.parent}", "check the path, or copy the file there") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        kinds = ", ".join(sorted(SUFFIXES))
        raise refusal(path, "is a folder, not a checkpoint", f"name a file in it ({kinds})")
    if not stat.S_ISREG(status.st_mode):
        raise refusal(path, "is a device or a pipe, not a regular file", "name a checkpoint file")
    if status.st_size == 0:
        raise refusal(path, "is empty (0 bytes)", "copy it again from where it was made")
    if status.st_size > max_bytes:
        raise refusal(
            path,
            f"has {status.st_size / 2**20:,.0f} MB, which is more than the limit of {max_bytes / 2**20:,.0f} MB",
            f"save the weights without the optimizer's state, or raise the limit with {LIMIT_VARIABLE}",
        )
    return status.st_size


def unreadable(path: Path, error: OSError | ValueError) -> CheckpointError:
    """Return the sentence for a file that the operating system does not hand out."""
    reason = shorten(error.strerror if isinstance(error, OSError) and error.strerror else error)
    return refusal(path, f"cannot be read ({reason})", "check the path and the file's permissions, or copy it again")


def pair_of(path: Path) -> tuple[Path, Path]:
    """Return the (reconstructive, discriminative) file of the original's pair that ``path`` would belong to."""
    stem = path.stem.removesuffix(PAIR_ENDING)
    return path.with_name(stem + path.suffix), path.with_name(stem + PAIR_ENDING + path.suffix)


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return the files that a checkpoint is split into, in order, where ``path`` is named like one; else itself alone.

    Raises CheckpointError where the name says nonsense or a part is not there.
    """
    split = _PART.fullmatch(path.stem)
    if split is None:
        return (path,)
    stem, part, count = split[1], int(split[2]), int(split[3])
    if not 1 <= part <= count <= MAX_PARTS:
        wrong = f"is named as part {part} of {count}, which is not between 1 and at most {MAX_PARTS}"
        raise refusal(path, wrong, "rename it, or save the whole network's state_dict into one file")
    parts = [path.with_name(f"{stem}-{number:05}-of-{count:05}{path.suffix}") for number in range(1, count + 1)]
    missing = [one.name for one in parts if not one.is_file()]
    if missing and path.name not in missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        wrong = f"is part {part} of {count}, and {shorten(missing[0])}{more} is not beside it"
        raise refusal(path, wrong, f"put all {count} parts into the folder {path.absolute().parent}")
    return tuple(parts)


def name_of(path: Path) -> str:
    """Return what a checkpoint is called after its (first) file: without the ending of a pair or of a part."""
    split = _PART.fullmatch(path.stem)
    return split[1] if split else path.stem.rstrip("_") or path.stem


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the files below ``folder`` that look openable by name, sorted; of a pair or of parts the first alone.

    Opens none of them. Hidden files and folders are left out, as unfinished writes have hidden names, and names that
    are no UTF-8.
    """
    found = {
        Path(parent) / name
        for parent, folders, names in _walk_visible(folder)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES
    }
    return sorted(path for path in found if path.is_file() and not _belongs_to_another(path, found))


def _walk_visible(folder: Path) -> Iterable[tuple[str, list[str], list[str]]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and is_text(name)]
        yield parent, folders, [name for name in names if not name.startswith(".") and is_text(name)]


def _belongs_to_another(path: Path, found: set[Path]) -> bool:
    """Tell whether it is the second of a pair, or a later part, whose first file is there too."""
    if split := _PART.fullmatch(path.stem):
        return int(split[2]) > 1 and path.with_name(f"{split[1]}-00001-of-{split[3]}{path.suffix}") in found
    first, second = pair_of(path)
    return path == second and first in found and path.suffix.lower() in PAIR_SUFFIXES


def checkpoint_digest(files: Iterable[Path]) -> str:
    """Return the SHA-256, in hex, of the weights files one after the other (of one file: what ``sha256sum`` prints).

    A JSON file beside the weights is not part of it.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
