"""The form that asks for a training: every field with what it means, checked as a whole before anything starts.

Starts nothing itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st

from draem_core.data.datasets import Dataset
from draem_core.errors import DraemError
from draem_core.formatting import counted, duration
from draem_core.inference.devices import devices
from draem_core.launch.launcher import Launcher, as_toml, check_name, device_of
from draem_core.launch.step_timing import measure_in_subprocess
from draem_core.runs.progress import steps_per_epoch
from draem_core.training.config import ConfigError, TrainConfig, make_config
from draem_core.training.losses import PARTS, LossWeights
from pages._ui.common import library
from pages._ui.common.escaping import literal, visible
from pages._ui.common.formatting import shortened
from pages._ui.common.texture_folders import texture_folders
from pages._ui.frame.paths import dataset_roots, short_name
from pages._ui.train.defaults import first_try, free_name

Value = TypeVar("Value")

BUILT_IN = "Built-in textures"
_ANY = "Random weights"
_ALIKE = "Both classes alike"
_WEIGHTED = "Weighted"
_DEFAULTS = {name: field.get_default() for name, field in TrainConfig.model_fields.items()}

_OF_LOSSES = {f"loss_{name}": field.description for name, field in LossWeights.model_fields.items()}
MEANING = {name: str(field.description) for name, field in TrainConfig.model_fields.items()}
MEANING |= {name: str(said) for name, said in _OF_LOSSES.items()}
MEANING |= {  # of what the form asks otherwise than the config
    "name": "The folder below `runs/` that keeps weights, curves and pictures.",
    "anomaly_sources": "Pasted into good images as anomalies. Or type a folder of textures below the datasets'.",
    "reconstructive_width": "Channels at full resolution, 128 in the original. Twice as wide takes up to 4 × as long.",
    "discriminative_width": "The same for the network that draws the anomaly map; 64 in the original.",
    "crop_size": f"{MEANING['crop_size'].split('. ')[0]}. 0: whole images.",
    "focal_alpha": "Weight of anomalous pixels in the focal loss; good ones get the rest. 1 ignores good pixels, which "
    "ruins the map.",
    "device": f"{MEANING['device']} A second run on the same device waits in the queue.",
}
_BUTTON_HELP = "Makes three steps on noise, in a process of its own. What else the machine does meanwhile counts in."


def ask_for_training(launcher: Launcher, folders: Sequence[Path]) -> TrainConfig | None:
    """Draw the form and return what to train once somebody presses Start, None before that."""
    st.header("Train a network")
    st.markdown(
        "It learns to reconstruct good images and to find synthetic anomalies in them. Only **good** images are needed."
    )
    values, dataset = _ask(launcher, folders)
    name = st.session_state["train_name"].strip()
    problem, config = _checked(launcher, values, name)
    if config is not None and dataset is not None:
        images = len(dataset.train_good)
        st.caption(literal(_sum(config, images, launcher)))
        if not images:
            problem = f"{dataset.name} has no good training images. Put some into `train/good/`, or choose another."
    if problem:
        st.error(literal(problem), icon=":material/rule:")
    if launcher_has(launcher, name) and st.button("Watch or resume it", icon=":material/visibility:"):
        st.session_state["train_next"] = name
        st.rerun()
    with st.container(horizontal=True):
        started = st.button("Start training", type="primary", icon=":material/play_arrow:", disabled=bool(problem))
        asked = st.button("Estimate the time", icon=":material/timer:", disabled=bool(problem), help=_BUTTON_HELP)
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
        sources = _pick(
            "anomaly_sources", "Anomaly sources", [BUILT_IN, *texture_folders(folders)], accept_new_options=True
        )
        default = _DEFAULTS | first_try()
        _name_field(launcher, folder)
        st.markdown("#### How it is evaluated")
        evaluated = _row(
            ("validation_share", "Validation share", default["validation_share"]),
            ("test_every", "Test every", default["test_every"]),
        )
    with right:
        st.markdown("#### How large")
        sizes = _row(
            ("reconstructive_width", "Width of the reconstructive network", default["widths"][0]),
            ("discriminative_width", "Width of the discriminative network", default["widths"][1]),
        )
        sizes |= _row(
            ("crop_size", "Crop size", default["crop_size"]), ("batch_size", "Batch size", default["batch_size"])
        )
        st.markdown("#### How long")
        length = _row(
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
        **(evaluated | sizes | length | more),
    }, dataset


def _ask_more(default: dict[str, Any]) -> dict[str, Any]:
    with st.expander("More: device, network, losses, synthesis, what is kept", icon=":material/tune:"):
        first, second, third = st.columns(3, gap="medium")
        with first:
            values = _ask_how(default)
        with second:
            values |= _ask_losses(default) | _ask_defects(default)
        with third:
            values |= _ask_kept(default)
    return values


def _ask_how(default: dict[str, Any]) -> dict[str, Any]:
    st.markdown("##### Machine and network")
    weights = {short_name(path): path for path in library.checkpoint_files()}
    return {
        "device": _pick("device", "Device", ["auto", *devices()]),
        "precision": _pick("precision", "Precision", ["auto", "float32", "bfloat16", "float16"]),
        "optimizer": _pick("optimizer", "Optimizer", ["adam", "adamw"]),
        "weight_decay": _number("weight_decay", "Weight decay", default["weight_decay"]),
        "sspcab": _check("sspcab", "SSPCAB", default["sspcab"]),
        "start_from": weights.get(_pick("start_from", "Start from", [_ANY, *weights])),
        "input_size": (
            _number("input_size", "Image height", default["input_size"][0], "input_height"),
            _number("input_size", "Image width", default["input_size"][1], "input_width"),
        ),
    }


def _ask_losses(default: dict[str, Any]) -> dict[str, Any]:
    st.markdown("##### Losses")
    weights = {}
    for part in PARTS:
        name = f"Weight of {part.upper() if part != 'focal' else part}"
        weights[part] = _number(f"loss_{part}", name, getattr(default["loss_weights"], part))
    counted_as = _pick("focal_alpha", "Focal loss counts", [_ALIKE, _WEIGHTED])
    alpha = None
    if counted_as == _WEIGHTED:
        alpha = st.slider("Weight of anomalous pixels", 0.0, 1.0, 0.5, key="train_alpha", persist_state="session")
    return {"loss_weights": weights, "focal_alpha": alpha}


def _ask_defects(default: dict[str, Any]) -> dict[str, Any]:
    st.markdown("##### Synthetic anomalies")
    return {
        "clean_share": _number("clean_share", "Clean share", default["clean_share"]),
        "rotate_share": _number("rotate_share", "Rotated share", default["rotate_share"]),
        "cutpaste_share": _number("cutpaste_share", "CutPaste share", default["cutpaste_share"]),
        "max_image_share": _number("max_image_share", "Faintest defect", default["max_image_share"]),
    }


def _ask_kept(default: dict[str, Any]) -> dict[str, Any]:
    st.markdown("##### End, and what is kept")
    return {
        "patience": _number("patience", "Patience", default["patience"]),
        "seed": _number("seed", "Seed", default["seed"]),
        "probes": _number("probes", "Probe images", default["probes"]),
        "probe_side": _number("probe_side", "Side of their pictures", default["probe_side"]),
        "keep": _number("keep", "Checkpoints to keep", default["keep"]),
        "keep_best": _check("keep_best", "Keep the best too", default["keep_best"]),
        "checkpoint_dtype": _pick("checkpoint_dtype", "Stored as", ["float32", "float16"]),
    }


def _check(name: str, label: str, default: bool) -> bool:
    key = f"train_{name}"
    st.session_state.setdefault(key, default)
    checked: bool = st.checkbox(label, key=key, persist_state="session")
    return _explained(name, checked)


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
        format_func=lambda name: visible(shown_as(name)),
        persist_state="session",
    )
    return _explained(name, chosen or options[0])


def _last_two(name: str) -> str:
    return "/".join(Path(name).parts[-2:])


def _explained(name: str, value: Value) -> Value:
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
        try:
            folder = (root / text).resolve()
            if folder.is_dir() and any(folder.is_relative_to(allowed) for allowed in roots):
                return folder
        except (OSError, ValueError, RuntimeError):  # too long, with a NUL, a ring of links
            continue
    known = ", ".join(short_name(root) for root in dataset_roots())
    raise ConfigError(
        f"{shortened(text)} is no folder below {known}. Put the textures there, or take the built-in ones."
    )


def _sum(config: TrainConfig, images: int, launcher: Launcher) -> str:
    steps = steps_per_epoch(config, images) if images else 0
    device = device_of(config)
    before = [one.run for one in launcher.queue.tickets() if one.device == device]
    waits = f" It will wait in the queue for {device}, behind {before[-1]}." if before else ""
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
        st.error(literal(error), icon=":material/timer_off:")
        return
    whole = seconds * steps_per_epoch(config, images) * config.epochs
    st.info(
        f"A step took {seconds:.2g} s just now, so {literal(counted(config.epochs, 'epoch'))} will take "
        f"{literal(duration(whole))}. Evaluation comes on top; so does waiting in the queue.",
        icon=":material/timer:",
    )


@st.cache_data(max_entries=32, show_spinner="Making three steps …")
def _seconds_per_step(toml: str) -> float:
    return measure_in_subprocess(toml)


def _opened(folder: Path) -> Dataset | None:
    try:
        return library.dataset(folder)
    except DraemError as error:
        st.warning(literal(error), icon=":material/folder_off:")
        return None
