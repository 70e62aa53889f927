"""Where the app looks for checkpoints, runs and datasets: below the home folder, which is the project's root.

The environment variable DRAEM_HOME names another home (an installation's own data, a test's); DRAEM_DATA adds folders
of datasets, separated by ``:``, on Windows by ``;``. Both are read on each call.
"""

import os
from pathlib import Path

from draem_core.installation import state_folder

ROOT = Path(__file__).resolve().parents[3]


def home() -> Path:
    """Return the folder that holds ``checkpoints/``, ``runs/`` and ``datasets/``."""
    return state_folder()


def checkpoint_folder() -> Path:
    """Return the folder of bundled checkpoints and, below it, of uploaded ones."""
    return home() / "checkpoints"


def upload_folder() -> Path:
    """Return the folder where uploaded checkpoints are kept."""
    return checkpoint_folder() / "uploaded"


def run_folder() -> Path:
    """Return the folder of training runs."""
    return home() / "runs"


def score_folder() -> Path:
    """Return the folder where maps and counts of scored datasets are kept; it may be deleted at any time."""
    return home() / ".cache" / "scores"


def dataset_roots() -> list[Path]:
    """Return ``datasets/`` and the folders that DRAEM_DATA names."""
    named = os.environ.get("DRAEM_DATA", "")
    return [home() / "datasets", *(Path(part).expanduser() for part in named.split(os.pathsep) if part)]


def short_name(path: Path) -> str:
    """Name a path for people and links: below the home folder if it is there, else as it is."""
    return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else str(path)
