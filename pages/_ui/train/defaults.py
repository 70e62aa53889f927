"""What the Train page's form begins with: settings for a first try on this machine. Knows no Streamlit."""

import re
from pathlib import Path
from typing import Any

from draem_core.inference.devices import devices


def first_try() -> dict[str, Any]:
    """Return the fields of a first training that differ from TrainConfig's defaults; 0 for no crop.

    On a processor narrow networks on crops, as the bundled checkpoints were made: an epoch of them is so short that
    evaluating all test images, which are whole, after each would take longer. On a GPU the original's widths.
    """
    common = {"clean_share": 0.25, "rotate_share": 0.0}
    if devices()[0] == "cpu":
        small = {"widths": (16, 16), "crop_size": 128, "test_every": 5}
        return {**common, **small, "epochs": 60, "learning_rate": 4e-4}
    return {**common, "crop_size": 0, "epochs": 200}


def free_name(dataset: str, runs: Path) -> str:
    """Return a run's name after its dataset that no folder in ``runs`` has yet."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", dataset).strip("-_")[:48] or "run"
    number = 1
    while (runs / f"{stem}-{number}").exists():
        number += 1
    return f"{stem}-{number}"
