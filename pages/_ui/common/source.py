"""Where the picture to look at comes from: the dataset browser or an upload."""

import numpy as np
import streamlit as st

from draem_core.data.datasets import Dataset, Sample
from draem_core.data.images import IMAGE_SUFFIXES
from draem_core.errors import ImageError
from pages._ui.common import library, uploads
from pages._ui.common.escaping import literal
from pages._ui.common.library import Picture
from pages._ui.common.uploads import Upload
from pages._ui.components.filmstrip import Frame, filmstrip
from pages._ui.frame import address
from pages._ui.frame.shell import render_missing_dataset
from pages._ui.texts import markdown, text

DATASET, UPLOAD = "dataset", "upload"
_ALL = "all"
_CHANGED = "_uploads_changed"  # in the session, for one run: a hand changed what the uploader holds
_UPLOADED = "uploaded"  # in the session: the chosen upload's number and name


def choose_picture(dataset: Dataset | None) -> Picture | None:
    """Draw the picker and return the chosen picture; None after saying what to do next."""
    _follow_linked_picture()
    st.session_state["source"] = st.session_state.get(
        "source", DATASET
    )  # told anew: else another page's choice is lost
    left, right = st.columns([1, 3], vertical_alignment="center")
    with left:
        source = st.segmented_control(
            text("picture.source"),
            [DATASET, UPLOAD],
            required=True,
            format_func=lambda source: text(f"picture.{source}"),
            key="source",
            persist_state="session",
            label_visibility="collapsed",
        )
    if source == UPLOAD:
        return _choose_upload()
    if dataset is None or not dataset.samples:
        render_missing_dataset()
        return None
    with right:
        samples = _of_chosen_kind(dataset)
    if dataset.warnings:
        st.caption(literal(" ".join(dataset.warnings)))
    return _choose_sample(samples)


def select_image(name: str) -> None:
    """Make ``name`` the picture that this session looks at; an address may get lost on the way to another page."""
    st.session_state["image"] = name
    st.session_state["source"] = DATASET


def _follow_linked_picture() -> None:
    """Take the link's picture over, and on coming to the page the dataset with it, whatever was uploaded before."""
    has_just_come = address.is_unread("image")
    if asked := address.consume_param("image"):
        st.session_state["image"] = asked
        if has_just_come:
            st.session_state["source"] = DATASET


def truth_on_grid(picture: Picture, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the picture's ground truth (H, W) bool on the map's grid; None where it has none or after saying why."""
    try:
        return library.gt_mask(picture, shape)
    except ImageError as error:
        st.warning(markdown("picture.no_truth", problem=error), icon=":material/broken_image:")
        return None


def _of_chosen_kind(dataset: Dataset) -> tuple[Sample, ...]:
    """Draw the defect kinds and return the samples of the chosen one, test pictures before those of training."""
    shown = dataset.test or dataset.samples
    kinds = [_ALL, *dict.fromkeys(sample.kind for sample in shown)]
    counts = {kind: sum(kind in (_ALL, sample.kind) for sample in shown) for kind in kinds}
    key = f"kind {dataset.root}"
    kind = st.pills(
        text("picture.kind"),
        kinds,
        default=_ALL,
        required=True,
        key=key,
        format_func=lambda kind: literal(f"{_kind_name(kind)} {counts[kind]}"),
        wrap=True,
        label_visibility="collapsed",
    )
    return tuple(sample for sample in shown if kind in (_ALL, None, sample.kind))


def _kind_name(kind: str | None) -> str:
    if not kind or kind in (_ALL, "good"):
        return text(f"picture.{kind or 'unlabelled'}")
    return kind


def _choose_sample(samples: tuple[Sample, ...]) -> Picture | None:
    names = [sample.name for sample in samples]
    wanted = st.session_state.get("image")
    if wanted not in names:
        wanted = next((sample.name for sample in samples if sample.label == 1), names[0])
    st.session_state["image"] = wanted
    filmstrip(
        [_frame(sample) for sample in samples],
        names.index(wanted),
        source=lambda index: library.thumbnail_url(samples[index].path),
        on_pick=select_image,
        key="filmstrip",
    )
    try:
        return _noted(library.dataset_picture(samples[names.index(wanted)]))
    except ImageError as error:
        st.error(literal(error), icon=":material/broken_image:")
        return None


def _frame(sample: Sample) -> Frame:
    label = {0: "good", 1: "defect", None: "unlabelled"}[sample.label]
    kind = _kind_name(sample.kind) if sample.kind else text(f"picture.{label}")
    return Frame(sample.name, f"{sample.name} ({kind})", label)


def _noted(picture: Picture) -> Picture:
    if picture.note:
        st.warning(literal(picture.note), icon=":material/brightness_low:")
    return picture


def _choose_upload() -> Picture | None:
    files = st.file_uploader(
        text("picture.pictures"),
        type=sorted(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES),
        accept_multiple_files=True,
        key=uploads.uploader_key(),
        max_upload_size=200,
        help=text("picture.upload_help"),
        on_change=_note_change,
    )
    changed = bool(st.session_state.pop(_CHANGED, False))
    kept = uploads.take([Upload(file.name, file.getvalue()) for file in files or ()], changed)
    if gone := uploads.left_out():
        st.warning(
            markdown("picture.upload_left_out", names=", ".join(gone), most=uploads.MOST_BYTES // 1_000_000),
            icon=":material/delete_sweep:",
        )
    if not kept:
        st.info(text("picture.upload_first"), icon=":material/upload:")
        return None
    names = [f"{index + 1}. {upload.name}" for index, upload in enumerate(kept)]
    now = st.session_state.get(_UPLOADED)
    st.session_state[_UPLOADED] = now if now in names else names[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(kept) > 1:
            st.pills(
                text("picture.uploaded"),
                names,
                required=True,
                key=_UPLOADED,
                persist_state="session",
                format_func=literal,
                wrap=True,
            )
        st.button(text("picture.upload_forget"), icon=":material/delete:", type="tertiary", on_click=uploads.forget)
    upload = kept[names.index(st.session_state[_UPLOADED])]
    try:
        return _noted(library.uploaded_picture(upload.name, upload.content))
    except ImageError as error:
        st.error(literal(error), icon=":material/broken_image:")
        return None


def _note_change() -> None:
    st.session_state[_CHANGED] = True
