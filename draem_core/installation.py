"""Where this installation keeps the app, and how its state is set up elsewhere.

In a checkout the app's files lie beside ``draem_core``; ``pip install`` puts them into the package ``draem_explorer``
beside it, where nothing may be written.
"""

import os
from pathlib import Path

from draem_core.atomic import write_atomically

_BESIDE = Path(__file__).resolve().parents[1]


def app_folder() -> Path:
    """Return the folder of ``app.py``, ``pages/`` and the bundled ``checkpoints/``."""
    return _BESIDE if is_checkout() else _BESIDE / "draem_explorer"


def is_checkout() -> bool:
    """Tell whether this runs from a checkout of the project, whose folder holds the state too."""
    return (_BESIDE / "app.py").is_file()


def state_folder() -> Path:
    """Return the folder of checkpoints, runs and datasets.

    DRAEM_HOME names it; else it is the checkout, or ``draem-explorer`` in the user's home folder.
    """
    named = os.environ.get("DRAEM_HOME", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    return _BESIDE if is_checkout() else Path.home() / "draem-explorer"


def copy_bundled_checkpoints(state: Path) -> list[Path]:
    """Copy each bundled checkpoint and run that ``state`` lacks into it, and return the new files; none is replaced."""
    bundled = app_folder() / "checkpoints"
    target = state / "checkpoints"
    new: list[Path] = []
    if target.resolve() == bundled.resolve():
        return new
    for file in sorted(bundled.rglob("*")):
        copy = target / file.relative_to(bundled)
        if file.is_file() and not copy.exists():
            new.append(write_atomically(copy, file.read_bytes()))
    return new
