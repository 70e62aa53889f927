"""What the Train page's form begins with: settings for a first try on this machine. Knows no Streamlit."""

import re
from pathlib import Path
from typing import Any

from draem_core.devices import devices


def first_try(data: Path, labelled: bool) -> dict[str, Any]:
    """Return the fields of a first training on ``data``.

    On a processor narrow networks on crops, as the bundled checkpoints were made; on a GPU the original's widths.
    ``labelled``: there are test images with defects to judge by.
    """
    common = {
        "validation_share": 0.1,
        "test_every": 5 if labelled else 0,
        "clean_share": 0.25,
        "rotate_share": 0.0,
    }
    if devices()[0] == "cpu":
        return {"widths": (16, 16), "crop_size": 128, "epochs": 60, "learning_rate": 4e-4, **common}
    return {"widths": (128, 64), "crop_size": 0, "epochs": 200, "learning_rate": 1e-4, **common}


def free_name(dataset: str, runs: Path) -> str:
    """Return a run's name after its dataset that no folder in ``runs`` has yet."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", dataset).strip("-_")[:48] or "run"
    number = 1
    while (runs / f"{stem}-{number}").exists():
        number += 1
    return f"{stem}-{number}"
