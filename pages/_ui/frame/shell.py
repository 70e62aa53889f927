"""The frame around every page: window, navigation, and the sidebar that picks checkpoint, dataset and device.

A page calls ``start_page`` first and gets the ``Workspace`` to work with, or None after the shell has said what
is missing and what to do.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import streamlit as st
from PIL import Image

from draem_core.data.datasets import Dataset
from draem_core.errors import DraemError
from draem_core.inference import Predictor
from draem_core.inference.devices import devices
from draem_core.inference.precision import Precision
from draem_core.render import heatmap
from pages._ui import lesson
from pages._ui.common import library
from pages._ui.common.escaping import Markdown, code, literal, visible
from pages._ui.frame import address
from pages._ui.frame.checkpoint_card import render_checkpoint_card
from pages._ui.frame.checkpoint_upload import render_checkpoint_upload
from pages._ui.frame.paths import ROOT, checkpoint_folder, dataset_roots, run_folder, short_name, upload_folder
from pages._ui.texts import choose_language, markdown, speak, text

PRECISIONS = get_args(Precision)
PAGES = {
    "explore": ("pages/1_Explore.py", "image_search"),
    "tune": ("pages/2_Tune.py", "tune"),
    "epochs": ("pages/3_Epochs.py", "movie"),
    "train": ("pages/6_Train.py", "model_training"),
    "inside": ("pages/4_Inside.py", "schema"),
    "synthetic": ("pages/5_Synthetic.py", "grain"),
}
TRAIN = "python -m draem_core train --data datasets/demo/fabric --out runs/fabric --epochs 60 --width 32 16"
DEMO = "python -m draem_core demo"


@dataclass(frozen=True, eq=False)
class Workspace:
    """What the sidebar picked. ``dataset`` is None where there is none."""

    checkpoint: Path
    predictor: Predictor
    asked_device: str
    asked_precision: Precision
    dataset: Dataset | None

    @property
    def url_params(self) -> dict[str, str]:
        """Return the parts of the address that lead back here."""
        return {
            "checkpoint": short_name(self.checkpoint),
            "dataset": short_name(self.dataset.root) if self.dataset else "",
            "device": "" if self.asked_device == "auto" else self.asked_device,
            "precision": "" if self.asked_precision == "auto" else self.asked_precision,
        }

    def url_params_of(self, picture: library.Picture) -> dict[str, str]:
        """Return the parts of the address that lead back to a picture; an upload has none of its own."""
        return self.url_params | {"image": picture.sample.name if picture.sample else ""}


def start_window(page: str) -> None:
    """Set the window up and draw the navigation. The first call of a page that needs no checkpoint."""
    address.on_page_enter(page)
    lesson.apply_step(page)
    title = f"{text(f'page.{page}')} · DRAEM Heatmap Explorer"
    st.set_page_config(page_title=title, page_icon=_icon(), layout="wide")
    speak()
    st.html(f"<style>{(Path(__file__).parent / 'shell.css').read_text('utf-8')}</style>")
    with st.sidebar:
        st.html('<div class="brand">DRAEM <span>Heatmap Explorer</span></div>')
        for name, (file, icon) in PAGES.items():
            if (ROOT / file).exists():
                with st.container(key=f"way_{name}"):
                    st.page_link(file, label=text(f"page.{name}"), icon=f":material/{icon}:")
        with st.container(key="way_lesson"):
            lesson.render_entry()
        choose_language()
        if left_out := library.unreadable_names_note():
            st.caption(literal(left_out))
        _lead("lesson" if lesson.is_on() else page)


def _lead(current: str) -> None:
    """Mark one way of the navigation as the current one, and fold the sidebar where the window is narrow."""
    script = (Path(__file__).parent / "shell.js").read_text("utf-8")
    st.html(f"<script>{script}\nleadFrom({json.dumps(current)})</script>", unsafe_allow_javascript=True)


def start_page(page: str) -> Workspace | None:
    """Set the window up and draw the sidebar. The first call of a page that works with a checkpoint."""
    start_window(page)
    with st.sidebar:
        checkpoint = _choose_checkpoint()
        folder = _choose_dataset()
        device, precision = _choose_device()
    if checkpoint is None:
        _render_missing_checkpoint()
        return None
    try:
        predictor = library.predictor(checkpoint, device, precision)
    except DraemError as error:
        st.error(literal(error), icon=":material/error:")
        st.caption(text("sidebar.other_checkpoint"))
        return None
    with st.sidebar:
        render_checkpoint_card(predictor)
    return Workspace(checkpoint, predictor, device, precision, _open_dataset(folder))


def disable_stale_fade() -> None:
    """Leave the last result as it is until the next one is there: Streamlit would fade it out."""
    st.html("<style>[data-testid=stElementContainer][data-stale=true] { opacity: 1; transition: none; }</style>")


@st.cache_resource(show_spinner=False)
def _icon() -> Image.Image:
    """Draw a glowing spot for the browser's tab; a named icon would be fetched from the internet."""
    place = np.linspace(-1.3, 1.3, 64)
    return Image.fromarray(heatmap(np.exp(-2.5 * (place[:, None] ** 2 + place[None, :] ** 2)) * 0.95))


def _choose_checkpoint() -> Path | None:
    files = {short_name(path): path for path in library.checkpoint_files()}
    if (asked := address.param("checkpoint")) and asked not in files:  # written a moment ago, perhaps
        library.checkpoint_files.clear()
        files = {short_name(path): path for path in library.checkpoint_files()}
    if files:
        _follow_link("checkpoint", files)
        # This and the other pickers are told their value anew in each run: a widget of another page begins with its
        # first option, whatever its key stands for.
        now = st.session_state.get("checkpoint")
        st.session_state["checkpoint"] = now if now in files else _last("checkpoint", files) or next(iter(files))
        st.selectbox(
            text("sidebar.checkpoint"),
            files,
            key="checkpoint",
            format_func=lambda name: visible(_checkpoint_label(name)),
            on_change=_follow_category,
            persist_state="session",
        )
    render_checkpoint_upload()
    st.session_state["_last_checkpoint"] = st.session_state.get("checkpoint")
    return files.get(st.session_state.get("checkpoint", ""))


def _follow_link(param: str, known: Collection[str]) -> None:
    if (asked := address.consume_param(param)) in known:
        st.session_state[param] = asked


def _last(param: str, known: Collection[str]) -> str | None:
    """Return what this session last had on any page, where it is still there."""
    last: str | None = st.session_state.get(f"_last_{param}")
    return last if last in known else None


def _checkpoint_label(name: str) -> str:
    path = Path(name)
    if path.is_relative_to(short_name(upload_folder())):
        return text("sidebar.uploaded", name=path.stem)
    for runs in (run_folder(), checkpoint_folder() / "runs"):
        if path.is_relative_to(short_name(runs)):
            run = path.relative_to(short_name(runs)).parts[0]
            return f"{run} · {path.stem.replace('_', ' ')}"
    return path.relative_to(short_name(checkpoint_folder())).with_suffix("").as_posix()


def _follow_category() -> None:
    """Show the dataset that a newly chosen checkpoint was trained on, where it is here."""
    category = _category_of(st.session_state["checkpoint"])
    for folder in library.dataset_folders():
        if folder.name == category:
            st.session_state["dataset"] = short_name(folder)


def _category_of(checkpoint: str) -> str:
    path = next((path for path in library.checkpoint_files() if short_name(path) == checkpoint), None)
    if path is None:
        return ""
    try:
        card = library.predictor(path, *_device_choice()).card
    except DraemError:
        return ""  # the page says what is wrong with it
    return str((card.training or {}).get("category", ""))


def _choose_dataset() -> str | None:
    folders = [short_name(folder) for folder in library.dataset_folders()]
    if not folders:
        return None
    _follow_link("dataset", folders)
    if st.session_state.get("dataset") not in folders:
        trained_on = _category_of(st.session_state.get("checkpoint", ""))
        fitting = [name for name in folders if Path(name).name == trained_on]
        st.session_state["dataset"] = _last("dataset", folders) or (fitting or folders)[0]
    st.session_state["_last_dataset"] = st.session_state["dataset"] = st.session_state["dataset"]
    return st.selectbox(
        text("sidebar.dataset"),
        folders,
        key="dataset",
        format_func=lambda name: visible("/".join(Path(name).parts[-2:])),
        persist_state="session",
    )


def _choose_device() -> tuple[str, Precision]:
    for param, known in (("device", ["auto", *devices()]), ("precision", PRECISIONS)):
        _follow_link(param, known)
        st.session_state[param] = st.session_state.get(param, "auto")
    with st.expander(text("sidebar.device_and_precision"), icon=":material/memory:"):
        st.selectbox(text("sidebar.device"), ["auto", *devices()], key="device", persist_state="session")
        st.selectbox(
            text("sidebar.precision"),
            PRECISIONS,
            key="precision",
            persist_state="session",
            help=text("sidebar.precision_help"),
        )
    return _device_choice()


def _device_choice() -> tuple[str, Precision]:
    return st.session_state.get("device", "auto"), st.session_state.get("precision", "auto")


def _open_dataset(name: str | None) -> Dataset | None:
    folder = next((folder for folder in library.dataset_folders() if short_name(folder) == name), None)
    if folder is None:
        return None
    try:
        return library.dataset(folder)
    except DraemError as error:
        st.warning(literal(error), icon=":material/folder_off:")
        return None


def _render_missing_checkpoint() -> None:
    st.header(text("sidebar.no_checkpoint"))
    st.markdown(
        markdown("sidebar.get_checkpoint", folder=code(f"{short_name(checkpoint_folder())}/"), command=Markdown(TRAIN))
    )


def render_missing_dataset() -> None:
    """Tell how a dataset gets here."""
    roots = Markdown(", ".join(code(f"{short_name(root)}/") for root in dataset_roots()))
    st.info(markdown("sidebar.no_dataset", roots=roots, command=Markdown(DEMO)), icon=":material/folder_open:")
