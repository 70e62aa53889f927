"""Which folders below the dataset roots can serve as anomaly sources: those that hold plain pictures."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from draem_core.data.layouts import FLAT
from draem_core.errors import DraemError
from draem_core.formatting import is_text
from pages._ui.common import library
from pages._ui.frame.paths import dataset_roots, short_name


@st.cache_data(ttl=30, show_spinner=False)
def texture_folders(datasets: Sequence[Path]) -> list[str]:
    """Return the folders below the roots that hold plain pictures, and those right below that hold nothing else."""
    plain = [folder for folder in datasets if _is_plain(folder)]
    roots = [root for root in dataset_roots() if root.is_dir()]
    below = [path for root in roots for path in root.iterdir() if path.name[0] != "." and is_text(path)]
    right_below = [path for path in below if path.is_dir()]
    inside = {path: [folder for folder in datasets if folder.is_relative_to(path)] for path in right_below}
    whole = [path for path, held in inside.items() if all(folder in plain for folder in held)]
    return sorted({short_name(path) for path in (*plain, *whole)})


def _is_plain(folder: Path) -> bool:
    try:
        return library.dataset(folder).layout == FLAT
    except DraemError:
        return False
