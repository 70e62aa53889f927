"""The form that asks for a training: every field with what it means, checked as a whole before anything starts.

Starts nothing itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from draem_core.data.datasets import Dataset
from draem_core.devices import devices
from draem_core.errors import DraemError
from draem_core.training.config import ConfigError, TrainConfig, make_config
from draem_core.training.launcher import Launcher, as_toml, check_name, device_of
from draem_core.training.pace import measure_apart
from draem_core.training.progress import steps_per_epoch
from pages._ui import library
from pages._ui.paths import dataset_roots, short_name
from pages._ui.spoken import counted, spoken_time
from pages._ui.texture_folders import texture_folders
from pages._ui.train_defaults import first_try, free_name

BUILT_IN = "Built-in textures"
_ANY = "Random weights"

MEANING = {
    "data": "Its good training images are all that the network learns from.",
    "sources": "Textures that are pasted into good images as made-up defects. Or type a folder below the datasets'.",
    "name": "The folder below `runs/` that keeps weights, curves and pictures.",
    "reconstructive_width": "Channels at full resolution, 128 in the original. Twice as wide takes up to 4 × as long.",
    "discriminative_width": "The same for the network that draws the anomaly map; 64 in the original.",
    "crop_size": "Side of the random squares that are trained on; 0: whole images. Crops suit textures, not shapes.",
    "batch_size": "Images per step. Larger is steadier and takes more memory.",
    "epochs": "How often each image is seen. Pictures and weights are kept after each.",
    "learning_rate": "How large a step is. Too large diverges, too small leaves the repaint grey.",
    "schedule": "How the rate falls. *cosine* suits short runs; *original* drops it at 80 and 90 % of the epochs.",
    "validation_share": "Share of the good images held out and judged after each epoch, with made-up defects.",
    "test_every": "Judge the labelled test images every so many epochs; 0 never. It costs a pass over all of them.",
    "patience": "Stop after so many epochs without a better validation loss; 0 never.",
    "input_size": "Height and width that images are resized to; each divides by 32.",
    "sspcab": "A block that has to predict masked channels of the deepest layer (Ristea et al., 2022).",
    "seed": "The same seed on the same processor gives the same weights.",
    "device": "Where to train. A second run on the same device waits in line.",
    "precision": "Shorter floats are quicker where the device has them; *auto* takes them there.",
    "optimizer": "*adam* as the original; *adamw* also pulls weights towards 0.",
    "clean_share": "Share of samples without a made-up defect, from which the network learns silence.",
    "cutpaste_share": "Share of defects that are a piece of the image itself in the wrong place.",
    "rotate_share": "Share of good images that are turned by up to ±90°. 0 where parts always lie alike.",
    "probes": "Images whose repaint and map are kept at every epoch, for the Epochs page.",
    "keep": "How many of the newest checkpoints stay on disk, besides the best; 0 keeps all.",
    "pace": "Makes three steps on noise, in a process of its own. What else the machine does meanwhile counts in.",
    "start_from": "Begin with the weights of a checkpoint of the same widths.",
}


def ask_for_training(launcher: Launcher, folders: Sequence[Path]) -> TrainConfig | None:
    """Draw the form and return what to train once somebody presses Start, None before that."""
    st.header("Train a network")
    st.markdown(
        "It learns to repaint good images and to find defects that are made up for it. Only **good** images are needed."
    )
    values, dataset = _ask(launcher, folders)
    name = st.session_state["train_name"].strip()
    problem, config = _checked(launcher, values, name)
    if config is not None and dataset is not None:
        images = len(dataset.train_good)
        st.caption(_sum(config, images, launcher))
        if not images:
            problem = f"{dataset.name} has no good training images. Put some into `train/good/`, or choose another."
    if problem:
        st.error(problem, icon=":material/rule:")
    if launcher_has(launcher, name) and st.button("Watch or resume it", icon=":material/visibility:"):
        st.session_state["train_next"] = name
        st.rerun()
    with st.container(horizontal=True):
        started = st.button("Start training", type="primary", icon=":material/play_arrow:", disabled=bool(problem))
        asked = st.button("Estimate the time", icon=":material/timer:", disabled=bool(problem), help=MEANING["pace"])
    if config is not None and dataset is not None and not problem:
        _render_estimate(config, len(dataset.train_good), asked)
    return config if started and not problem else None


def launcher_has(launcher: Launcher, name: str) -> bool:
    """Tell whether a training of that name is there."""
    return name in launcher.names()


def _ask(launcher: Launcher, folders: Sequence[Path]) -> tuple[dict[str, Any], Dataset | None]:
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("#### What to learn from")
        data = _pick("data", "Dataset", [short_name(folder) for folder in folders], shown_as=_last_two)
        folder = next(folder for folder in folders if short_name(folder) == data)
        dataset = _opened(folder)
        sources = _pick("sources", "Anomaly sources", [BUILT_IN, *texture_folders(folders)], accept_new_options=True)
        default = first_try(folder, labelled=dataset is not None and any(one.label for one in dataset.test))
        _name_field(launcher, folder)
        st.markdown("#### How it is judged")
        judged = _row(
            ("validation_share", "Validation share", default["validation_share"]),
            ("test_every", "Test every", default["test_every"]),
        )
    with right:
        st.markdown("#### How large")
        sizes = _row(
            ("reconstructive_width", "Width of the repainting network", default["widths"][0]),
            ("discriminative_width", "Width of the judging network", default["widths"][1]),
        )
        sizes |= _row(("crop_size", "Crop size", default["crop_size"]), ("batch_size", "Batch size", 8))
        st.markdown("#### How long")
        pace = _row(
            ("epochs", "Epochs", default["epochs"]),
            ("learning_rate", "Learning rate", default["learning_rate"]),
        )
        schedule = _pick("schedule", "Schedule", ["cosine", "original", "anomalib"])
    more = _ask_more(default)
    widths = sizes.pop("reconstructive_width"), sizes.pop("discriminative_width")
    crop_size = sizes.pop("crop_size") or None
    return {
        "data": folder,
        "anomaly_sources": None if sources == BUILT_IN else sources,
        "widths": widths,
        "crop_size": crop_size,
        "schedule": schedule,
        **(judged | sizes | pace | more),
    }, dataset


def _ask_more(default: dict[str, Any]) -> dict[str, Any]:
    with st.expander("More: seed, device, precision, synthesis, what is kept", icon=":material/tune:"):
        first, second, third = st.columns(3, gap="medium")
        with first:
            device = _pick("device", "Device", ["auto", *devices()])
            precision = _pick("precision", "Precision", ["auto", "float32", "bfloat16", "float16"])
            optimizer = _pick("optimizer", "Optimizer", ["adam", "adamw"])
            sspcab = _explained("sspcab", st.checkbox("SSPCAB", key="train_sspcab", persist_state="session"))
            seed = _number("seed", "Seed", 0)
        with second:
            height = _number("input_size", "Image height", 256, "input_height")
            width = _number("input_size", "Image width", 256, "input_width")
            clean = _number("clean_share", "Clean share", default["clean_share"])
            rotate = _number("rotate_share", "Rotated share", default["rotate_share"])
            cutpaste = _number("cutpaste_share", "CutPaste share", 0.0)
        with third:
            weights = {short_name(path): path for path in library.checkpoint_files()}
            start_from = _pick("start_from", "Start from", [_ANY, *weights])
            patience = _number("patience", "Patience", 0)
            probes = _number("probes", "Probe images", 8)
            keep = _number("keep", "Checkpoints to keep", 3)
    return {
        "device": device,
        "precision": precision,
        "optimizer": optimizer,
        "sspcab": sspcab,
        "seed": seed,
        "input_size": (height, width),
        "clean_share": clean,
        "rotate_share": rotate,
        "cutpaste_share": cutpaste,
        "start_from": weights.get(start_from),
        "patience": patience,
        "probes": probes,
        "keep": keep,
    }


def _row(*fields: tuple[str, str, float]) -> dict[str, Any]:
    """Draw number fields side by side; returns what is in them by their own name."""
    values = {}
    for column, field in zip(st.columns(len(fields)), fields, strict=True):
        with column:
            values[field[0]] = _number(*field)
    return values


def _number(meaning: str, label: str, default: float, name: str = "") -> float:
    """Draw a field without bounds: what is wrong with its value is the config's to say."""
    key = f"train_{name or meaning}"
    if key not in st.session_state:
        st.session_state[key] = default
    fine = "%.2g" if 0 < default < 0.01 else "%.2f"
    value: float = (
        st.number_input(label, step=1, key=key, persist_state="session")
        if isinstance(default, int)
        else st.number_input(
            label, step=default / 4 if 0 < default < 0.01 else 0.05, format=fine, key=key, persist_state="session"
        )
    )
    return _explained(meaning, value)


def _pick(
    name: str,
    label: str,
    options: Sequence[str],
    accept_new_options: bool = False,
    shown_as: Callable[[str], str] = str,
) -> str:
    key = f"train_{name}"
    if st.session_state.get(key) not in options and not accept_new_options:
        st.session_state[key] = options[0]
    chosen = st.selectbox(
        label,
        options,
        key=key,
        accept_new_options=accept_new_options,
        format_func=shown_as,
        persist_state="session",
    )
    return _explained(name, chosen or options[0])


def _last_two(name: str) -> str:
    return "/".join(Path(name).parts[-2:])


def _explained(name: str, value: Any) -> Any:
    st.caption(MEANING[name])
    return value


def _name_field(launcher: Launcher, folder: Path) -> None:
    suggested = free_name(folder.name, launcher.runs)
    if st.session_state.get("train_name", "") in ("", st.session_state.get("_train_suggested")):
        st.session_state["train_name"] = suggested  # follows the dataset until somebody types another
    st.session_state["_train_suggested"] = suggested
    st.text_input("Name of the run", key="train_name", max_chars=64, persist_state="session")
    st.caption(MEANING["name"])


def _checked(launcher: Launcher, values: dict[str, Any], name: str) -> tuple[str, TrainConfig | None]:
    """Return what is wrong, empty if nothing is, and the config where one can be made."""
    try:
        check_name(name)
        if values["anomaly_sources"] is not None:
            values = values | {"anomaly_sources": below_roots(values["anomaly_sources"])}
        config = make_config({**values, "out": launcher.runs / name})
    except DraemError as error:
        said = str(error).removesuffix(" See `train --help`.").replace("Value error, ", "")
        return said, None
    if (launcher.runs / name).exists():
        return (
            f"A run called {name} is there already, and is never overwritten. Resume it, or take another name.",
            config,
        )
    return "", config


def below_roots(text: str) -> Path:
    """Return the folder that ``text`` names, below the dataset roots; raises ConfigError where it is elsewhere."""
    roots = [root.resolve() for root in dataset_roots()]
    for root in (roots[0].parent, *roots):
        folder = (root / text).resolve()
        if folder.is_dir() and any(folder.is_relative_to(allowed) for allowed in roots):
            return folder
    known = ", ".join(short_name(root) for root in dataset_roots())
    raise ConfigError(f"{text} is no folder below {known}. Put the textures there, or take the built-in ones.")


def _sum(config: TrainConfig, images: int, launcher: Launcher) -> str:
    steps = steps_per_epoch(config, images) if images else 0
    device = device_of(config)
    before = [one.run for one in launcher.line.tickets() if one.device == device]
    waits = f" It will wait in line for {device}, behind {before[-1]}." if before else ""
    return (
        f"{counted(images, 'good image')}, {counted(steps, 'step')} an epoch, {steps * config.epochs:,} in all, "
        f"on {device}.{waits}"
    )


def _render_estimate(config: TrainConfig, images: int, asked: bool) -> None:
    """Say how long the training will take, once somebody has asked for this very one."""
    toml = as_toml(config.model_copy(update={"out": Path("run"), "data": Path("data"), "epochs": 1}))
    if asked:
        st.session_state["train_estimated"] = toml
    if st.session_state.get("train_estimated") != toml:
        return
    try:
        seconds = _seconds_per_step(toml)
    except DraemError as error:
        st.error(str(error), icon=":material/timer_off:")
        return
    whole = seconds * steps_per_epoch(config, images) * config.epochs
    st.info(
        f"A step took {seconds:.2g} s just now, so {counted(config.epochs, 'epoch')} will take {spoken_time(whole)}. "
        "Judging comes on top; so does waiting in line.",
        icon=":material/timer:",
    )


@st.cache_data(max_entries=32, show_spinner="Making three steps …")
def _seconds_per_step(toml: str) -> float:
    return measure_apart(toml)


def _opened(folder: Path) -> Dataset | None:
    try:
        return library.dataset(folder)
    except DraemError as error:
        st.warning(str(error), icon=":material/folder_off:")
        return None
