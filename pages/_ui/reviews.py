"""Which run, or two, the Epochs page looks at, and their cached reviews and payloads."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from draem_core.training.review import Review, find_reviews, load_review
from pages._ui import address
from pages._ui.paths import checkpoint_folder, run_folder, short_name
from pages._ui.reviewer import pack

_NONE = "—"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The run to look at and one to compare with, if any."""

    review: Review
    other: Review | None

    @property
    def places(self) -> dict[str, str]:
        """Return the parts of the address that lead back here."""
        return {
            "run": short_name(self.review.folder),
            "other": short_name(self.other.folder) if self.other else "",
        }


def run_roots() -> tuple[Path, Path]:
    """Return where runs lie: one's own, and the bundled ones."""
    return run_folder(), checkpoint_folder() / "runs"


def choose_runs() -> Chosen | None:
    """Draw the pickers and return what was chosen; None after saying what to do. Raises RunFolderError."""
    names = [short_name(folder) for root in run_roots() for folder in _folders(root)]
    if not names:
        _say_no_run()
        return None
    with st.sidebar:
        name = _select("Run", names, "run", names[0])
        rest = [_NONE, *(one for one in names if one != name)]
        other_name = _select("Compare with", rest, "other", _NONE)
    review = _review_of(name)
    other = None if other_name == _NONE else _review_of(other_name)
    if other is not None and not _fits(review, other):
        st.warning(
            f"{other.name} has other probe images than {review.name}, or none, so their pictures cannot be laid side "
            "by side. Choose a run on the same dataset.",
            icon=":material/compare:",
        )
        other = None
    return Chosen(review, other)


def payload(review: Review) -> bytes:
    """Return what the reviewer shows of a run."""
    return _payload(str(review.folder), _signature(review.folder), review)


def _select(label: str, names: Collection[str], place: str, default: str) -> str:
    if st.session_state.get(f"{place}_picked") not in names:
        asked = address.asked(place)
        st.session_state[f"{place}_picked"] = asked if asked in names else default
    chosen: str = st.selectbox(label, names, key=f"{place}_picked", format_func=_run_label, persist_state="session")
    return chosen


def _run_label(name: str) -> str:
    path = Path(name)
    bundled = short_name(run_roots()[1])
    return f"{path.name} (bundled)" if path.is_relative_to(bundled) else path.as_posix().removeprefix("runs/")


@st.cache_data(ttl=5, show_spinner=False)
def _folders(root: Path) -> list[Path]:
    return find_reviews(root)


def _review_of(name: str) -> Review:
    folder = next(folder for root in run_roots() for folder in _folders(root) if short_name(folder) == name)
    return _review(str(folder), _signature(folder))


def _signature(folder: Path) -> tuple[int, ...]:
    """Return what changes with each epoch of a run that goes on."""
    names = ("metrics.csv", "layers.csv", "probes.csv", "config.json", "probes/probes.json")
    stats = [(folder / name).stat() for name in names if (folder / name).exists()]
    return tuple(value for one in stats for value in (one.st_size, one.st_mtime_ns))


@st.cache_resource(max_entries=8, show_spinner="Reading the run …")
def _review(folder: str, signature: tuple[int, ...]) -> Review:
    return load_review(Path(folder))


@st.cache_resource(max_entries=4, show_spinner="Reading the run's pictures …")
def _payload(folder: str, signature: tuple[int, ...], _review: Review) -> bytes:
    return pack(_review)


def _fits(first: Review, second: Review) -> bool:
    if first.probes is None or second.probes is None or not first.epochs or not second.epochs:
        return False
    return first.probes.names == second.probes.names and first.picture_size == second.picture_size


def _say_no_run() -> None:
    st.header("No run yet")
    st.markdown(
        f"""A run is what training leaves behind: weights, curves, and pictures of the same few images at every epoch.

- **Train** one on the Train page, or with
  `python -m draem_core train --data datasets/demo/fabric --out runs/fabric --epochs 40 --width 16 16`
- **Copy** run folders into `{short_name(run_folder())}/`.
"""
    )
