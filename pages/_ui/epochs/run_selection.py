"""Which run, or two, the Epochs page looks at, and their cached reviews and payloads."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from draem_core.disk import Stamp
from draem_core.runs.review import Review, find_reviews, load_review
from draem_core.runs.run_folder import RunFolderError
from pages._ui.common.byte_cache import MB, cached_by_bytes
from pages._ui.common.escaping import code, literal, visible
from pages._ui.components.reviewer import pack
from pages._ui.frame import address
from pages._ui.frame.paths import checkpoint_folder, run_folder, short_name

_NONE = "—"

Signature = tuple[Stamp | None, ...]  # of what changes with each epoch


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A run as it was when the page began; ``payload`` is what the reviewer shows of it, None without pictures."""

    review: Review
    payload: bytes | None
    signature: Signature


@dataclass(frozen=True, eq=False)
class RunSelection:
    """The run to look at and one to compare with, if any."""

    run: LoadedRun
    other: LoadedRun | None

    @property
    def review(self) -> Review:
        """Return the run to look at."""
        return self.run.review

    @property
    def url_params(self) -> dict[str, str]:
        """Return the parts of the address that lead back here."""
        return {
            "run": short_name(self.review.folder),
            "other": short_name(self.other.review.folder) if self.other else "",
        }

    def is_outdated(self) -> bool:
        """Tell whether one of the runs has gone on since the page began."""
        return any(_signature(one.review.folder) != one.signature for one in (self.run, self.other) if one)


def run_roots() -> tuple[Path, Path]:
    """Return where runs lie: one's own, and the bundled ones."""
    return run_folder(), checkpoint_folder() / "runs"


def choose_runs() -> RunSelection | None:
    """Draw the pickers and return what was chosen; None after saying what to do. Raises RunFolderError."""
    names = _names()
    if (asked := address.param("run")) and asked not in names:  # begun a moment ago, perhaps
        folders.clear()
        names = _names()
    if not names:
        _render_missing_run()
        return None
    with st.sidebar:
        name = _select("Run", names, "run", names[0])
        rest = [_NONE, *(one for one in names if one != name)]
        other_name = _select("Compare with", rest, "other", _NONE)
    run = _load_run(name)
    if other_name == _NONE:
        return RunSelection(run, None)
    try:
        other = _load_run(other_name)
    except RunFolderError as error:
        st.warning(literal(error), icon=":material/compare:")
        return RunSelection(run, None)
    if not _fits(run.review, other.review):
        st.warning(
            f"{literal(other.review.name)} has other probe images than {literal(run.review.name)}, or none, so their "
            "pictures cannot be laid side by side. Choose a run on the same dataset.",
            icon=":material/compare:",
        )
        return RunSelection(run, None)
    return RunSelection(run, other)


def _names() -> list[str]:
    return [short_name(folder) for root in run_roots() for folder in folders(root)]


def show_next(folder: Path) -> None:
    """Make a run that has just been written the one that this session looks at from the next rerun on."""
    folders.clear()
    st.session_state["run_next"] = short_name(folder)


def _select(label: str, names: Collection[str], param: str, default: str) -> str:
    state = f"{param}_picked"
    if (following := st.session_state.pop(f"{param}_next", None)) in names:
        st.session_state[state] = following
    if (asked := address.consume_param(param)) in names:
        st.session_state[state] = asked
    now = st.session_state.get(state)
    st.session_state[state] = now if now in names else default
    chosen: str = st.selectbox(
        label, names, key=state, format_func=lambda name: visible(_run_label(name)), persist_state="session"
    )
    return chosen


def _run_label(name: str) -> str:
    path = Path(name)
    bundled = short_name(run_roots()[1])
    return f"{path.name} (bundled)" if path.is_relative_to(bundled) else path.as_posix().removeprefix("runs/")


@st.cache_data(ttl=5, show_spinner=False)
def folders(root: Path) -> list[Path]:
    """Return the run folders at or below ``root``."""
    return find_reviews(root)


def _load_run(name: str) -> LoadedRun:
    folder = next(folder for root in run_roots() for folder in folders(root) if short_name(folder) == name)
    signature = _signature(folder)
    review = _review(str(folder), signature)
    return LoadedRun(review, _payload(str(folder), signature, review) if review.epochs else None, signature)


def _signature(folder: Path) -> Signature:
    names = ("metrics.csv", "layers.csv", "probes.csv", "config.json", "stopped.txt", "probes/probes.json")
    found = {name: folder / name for name in names}
    return tuple(Stamp.of_or_none(path) for path in found.values())


@cached_by_bytes(256 * MB, show_spinner="Reading the run …")
def _review(folder: str, signature: Signature) -> Review:
    try:
        review = load_review(Path(folder))
    except (OSError, ArithmeticError, TypeError, AttributeError) as error:  # files cut short, or of another shape
        raise RunFolderError(f"{folder} cannot be read whole ({error}). Copy it anew, or train it anew.") from error
    if review.metrics.empty:
        raise RunFolderError(f"{folder} holds no finished epoch yet. Come back after the first one.")
    return review


@cached_by_bytes(512 * MB, show_spinner="Reading the run's pictures …")
def _payload(folder: str, signature: Signature, _review: Review) -> bytes:
    return pack(_review)


def _fits(first: Review, second: Review) -> bool:
    if first.probes is None or second.probes is None or not first.epochs or not second.epochs:
        return False
    return first.probes.names == second.probes.names and first.picture_size == second.picture_size


def _render_missing_run() -> None:
    st.header("No run yet")
    st.markdown(
        f"""A run is what training leaves behind: weights, curves, and pictures of the same few images at every epoch.

- **Train** one on the Train page, or with
  `python -m draem_core train --data datasets/demo/fabric --out runs/fabric --epochs 40 --width 16 16`
- **Copy** run folders into {code(f"{short_name(run_folder())}/")}.
- **Replay** a folder of checkpoints by epoch, whoever trained them, as below.
"""
    )
