"""Where the picture to look at comes from: the dataset browser or an upload."""

import numpy as np
import streamlit as st

from draem_core.data.datasets import Dataset, Sample
from draem_core.data.images import IMAGE_SUFFIXES
from draem_core.errors import ImageError
from pages._ui import address, library
from pages._ui.escaping import literal
from pages._ui.filmstrip import Frame, filmstrip
from pages._ui.library import Picture
from pages._ui.shell import say_no_dataset
from pages._ui.texts import markdown, text

DATASET, UPLOAD = "dataset", "upload"
_ALL = "all"


def choose_picture(dataset: Dataset | None) -> Picture | None:
    """Draw the picker and return the chosen picture; None after saying what to do next."""
    left, right = st.columns([1, 3], vertical_alignment="center")
    with left:
        source = st.segmented_control(
            text("picture.source"),
            [DATASET, UPLOAD],
            default=DATASET,
            required=True,
            format_func=lambda source: text(f"picture.{source}"),
            key="source",
            label_visibility="collapsed",
        )
    if source == UPLOAD:
        return _choose_upload()
    if dataset is None or not dataset.samples:
        say_no_dataset()
        return None
    with right:
        samples = _of_chosen_kind(dataset)
    if dataset.warnings:
        st.caption(literal(" ".join(dataset.warnings)))
    return _choose_sample(samples)


def want_picture(name: str) -> None:
    """Make ``name`` the picture that this session looks at; an address may get lost on the way to another page."""
    st.session_state["image"] = name


def read_truth(picture: Picture, shape: tuple[int, int]) -> np.ndarray | None:
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
        label_visibility="collapsed",
    )
    return tuple(sample for sample in shown if kind in (_ALL, None, sample.kind))


def _kind_name(kind: str | None) -> str:
    if not kind or kind in (_ALL, "good"):
        return text(f"picture.{kind or 'unlabelled'}")
    return kind.replace("_", " ")


def _choose_sample(samples: tuple[Sample, ...]) -> Picture | None:
    names = [sample.name for sample in samples]
    wanted = address.newly_asked("image") or st.session_state.get("image")
    if wanted not in names:
        wanted = next((sample.name for sample in samples if sample.label == 1), names[0])
    st.session_state["image"] = wanted
    filmstrip(
        [_frame(sample) for sample in samples],
        names.index(wanted),
        source=lambda index: library.thumbnail_url(samples[index].path),
        on_pick=want_picture,
        key="filmstrip",
    )
    try:
        return library.dataset_picture(samples[names.index(wanted)])
    except ImageError as error:
        st.error(literal(error), icon=":material/broken_image:")
        return None


def _frame(sample: Sample) -> Frame:
    label = {0: "good", 1: "defect", None: "unlabelled"}[sample.label]
    kind = _kind_name(sample.kind) if sample.kind else text(f"picture.{label}")
    return Frame(sample.name, f"{sample.name.replace('_', ' ')} ({kind})", label)


def _choose_upload() -> Picture | None:
    files = st.file_uploader(
        text("picture.pictures"),
        type=sorted(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES),
        accept_multiple_files=True,
        key="pictures",
        max_upload_size=200,
        help=text("picture.upload_help"),
    )
    if not files:
        st.info(text("picture.upload_first"), icon=":material/upload:")
        return None
    names = [f"{index + 1}. {file.name}" for index, file in enumerate(files)]
    chosen = names[0]
    if len(files) > 1:
        chosen = st.pills(
            text("picture.uploaded"),
            names,
            default=names[0],
            required=True,
            key=f"uploaded {len(files)}",
            format_func=literal,
        )
    file = files[names.index(chosen or names[0])]
    try:
        return library.uploaded_picture(file.name, file.getvalue())
    except ImageError as error:
        st.error(literal(error), icon=":material/broken_image:")
        return None
