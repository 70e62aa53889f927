"""Where the app looks for checkpoints, runs and datasets."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "checkpoints"
UPLOADED = CHECKPOINTS / "uploaded"
RUNS = ROOT / "runs"


def dataset_roots() -> list[Path]:
    """Return ``datasets/`` and the folders that DRAEM_DATA names (separated by ``:``, on Windows by ``;``)."""
    named = os.environ.get("DRAEM_DATA", "")
    return [ROOT / "datasets", *(Path(part).expanduser() for part in named.split(os.pathsep) if part)]


def short_name(path: Path) -> str:
    """Name a path for people: below the project's root if it is there, else as it is."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
