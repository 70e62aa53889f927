"""The card of a checkpoint: what its flavour implies, what the file says, what a JSON file beside it overrides.

Knows what the weights are (widths, block, size) as given facts; looks at no tensors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from draem_core.checkpoints.calibration import calibration_in
from draem_core.checkpoints.files import name_of, refusal, shorten, unreadable
from draem_core.checkpoints.reading import RawCheckpoint
from draem_core.errors import CheckpointError
from draem_core.types import Calibration, Card, Flavour

_RGB_CONVENTION = {
    "resize_filter": "bilinear_antialias",
    "color_order": "RGB",
    "concat_order": "image_first",
    "score_rule": "max",
}
CONVENTIONS: dict[Flavour, dict[str, str]] = {
    "original": {
        "resize_filter": "bilinear",
        "color_order": "BGR",
        "concat_order": "reconstruction_first",
        "score_rule": "max_of_mean21",
    },
    "anomalib": _RGB_CONVENTION,
    "ours": _RGB_CONVENTION,
}
ASSUMABLE = ("input_size", "resize_filter", "color_order", "concat_order", "score_rule")

MAX_SIDE = 4096
MAX_CARD_BYTES = 2**20
# steps of anomalib's pre-processor that change no pixel value after read_image
HARMLESS_STEPS = frozenset({"ToImage", "ToTensor", "PILToTensor", "ToDtype", "ConvertImageDtype", "Identity"})
MAX_STEPS = 100

CORRECT_IT = "correct or remove that entry; the known ones are " + ", ".join(Card.model_fields)


@dataclass(frozen=True)
class Facts:
    """What the weights themselves settle; no card can say otherwise."""

    widths: tuple[int, int]
    sspcab: bool
    parameters: int
    digest: str


def card_of(path: Path, naming: Flavour, facts: Facts, raw: RawCheckpoint, notes: tuple[str, ...] = ()) -> Card:
    """Return the card of a checkpoint, whose (first) weights file is ``path`` and uses the layer names of ``naming``.

    ``notes`` are sentences on how the weights were found, for the card's own.

    The strongest word has the JSON file beside the weights, then the file itself, then the flavour's convention; what
    rests on the last is listed in ``assumed``. Raises CheckpointError for nonsense, naming the file that says it.
    """
    found, doubts = (_own_card(path, raw.card), {}) if raw.card is not None else _found_in_lightning(path, raw)
    flavour = _flavour_in(found, naming)
    convention = {"name": name_of(path), "flavour": naming, **CONVENTIONS[flavour]}
    assumed = [field for field in ASSUMABLE if field not in found or field in doubts]
    assumed += ["normalisation"] if "normalisation" in doubts else []
    card = _validated(path, {"assumed": assumed, **convention, **asdict(facts), **found})
    card = card.model_copy(update={"notes": (*notes, *card.notes, *doubts.values())})
    _check_contradiction(path, card, facts)

    beside = path.with_suffix(".json")
    if not beside.is_file():
        return card
    stated = _stated_in(beside)
    flavour = _flavour_in(stated, card.flavour)
    implied = {field: value for field, value in CONVENTIONS[flavour].items() if field in card.assumed}
    still_assumed = [field for field in card.assumed if field not in stated]
    settled = {doubt for field, doubt in doubts.items() if field in stated}
    still_noted = [note for note in card.notes if note not in settled]
    merged = {**card.model_dump(), **implied, "assumed": still_assumed, "notes": still_noted, **stated}
    card = _validated(beside, merged)
    _check_contradiction(beside, card, facts)
    return card


def _own_card(path: Path, text: str) -> dict[str, Any]:
    """Return the card that our own format carries. Its digest cannot be the file's own, so it is never believed."""
    card = _parsed(path, text.encode(errors="replace"))
    return {field: value for field, value in card.items() if field not in ("parameters", "digest")}


def _stated_in(path: Path) -> dict[str, Any]:
    """Return the entries of the JSON file beside the weights; an empty digest or a count of 0 says nothing."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    card = _parsed(path, content)
    return {field: value for field, value in card.items() if value or field not in ("parameters", "digest")}


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    if len(content) > MAX_CARD_BYTES:
        raise refusal(path, "has a card of more than 1 MB", "remove what does not belong in a card")
    try:
        card = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise refusal(path, f"has a card that is no valid JSON ({shorten(error)})", "correct or remove it") from None
    if not isinstance(card, dict):
        raise refusal(path, "has a card that is no JSON object", 'write it as {"field": value, …}, or remove it')
    return card


def _flavour_in(stated: dict[str, Any], otherwise: Flavour) -> Flavour:
    """Return the flavour whose convention applies; a nonsensical one is left for the validation to refuse."""
    flavours: dict[object, Flavour] = {flavour: flavour for flavour in CONVENTIONS}
    flavour = stated.get("flavour")
    return flavours.get(flavour, otherwise) if isinstance(flavour, str) else otherwise


def _validated(path: Path, values: dict[str, Any]) -> Card:
    try:
        card = Card.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(shorten(part, 40) for part in first["loc"])
        raise refusal(path, f"has no valid card ({place}: {shorten(first['msg'], 200)})", CORRECT_IT) from None
    if max(card.input_size) > MAX_SIDE:
        wrong = f"asks for an input of {shorten(card.input_size)} pixels, more than {MAX_SIDE} a side"
        raise refusal(path, wrong, "set input_size to what the network was trained on, such as [256, 256]")
    return card


def _check_contradiction(path: Path, card: Card, facts: Facts) -> None:
    for field, fact in asdict(facts).items():
        said = getattr(card, field)
        if said != fact:
            wrong = f"has a card that says {field} {shorten(said)}, but the weights have {fact}"
            raise refusal(path, wrong, "remove that entry, or put the card beside the weights it belongs to")


def _found_in_lightning(path: Path, raw: RawCheckpoint) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the card's fields that an anomalib checkpoint holds, of any other file none, and the doubts.

    A doubt is a sentence by the field that it is about, for which a JSON file beside the weights can say better.
    """
    found, doubts = _found_in_pre_processor(path, raw.around.get("anomalib_pre_processor_config"))
    calibration, doubts_of_calibration = calibration_in(raw.tables)
    doubts = {field: doubt for field, doubt in doubts_of_calibration.items() if field not in found} | doubts
    if calibration != Calibration():
        found["calibration"] = calibration
    if () in raw.tables and len(raw.tables) == 1:
        return found, doubts  # a plain state dict: what lies beside its layers is no report on training
    progress = {name: raw.around.get(name) for name in ("epoch", "global_step")}
    training = {name: value for name, value in progress.items() if type(value) is int and 0 <= value < 2**53}
    if training:
        found["training"] = training
    return found, doubts


def _found_in_pre_processor(path: Path, config: object) -> tuple[dict[str, Any], dict[str, str]]:
    """Read how pictures are resized and normalised. A step that cannot be followed is refused: maps would be wrong."""
    found: dict[str, Any] = {}
    doubts: dict[str, str] = {}
    for step in _steps(path, _dict(config).get("transform")):
        kind = str(step.get("class_path", "Identity")).rpartition(".")[2]
        settings = _dict(step.get("init_args"))
        if kind == "Resize" and not {"input_size", "resize_filter"} & found.keys():
            found |= _resize_filter(path, settings)
            size, doubt = _resize_size(settings)
            if size is not None:
                found["input_size"] = size
            if doubt:
                doubts["input_size"] = doubt
        elif kind == "Normalize" and "normalisation" not in found:
            found["normalisation"] = _normalisation(path, settings)
        elif kind in ("Resize", "Normalize"):
            raise _unfollowed(path, f"does the pre-processing step {kind} twice")
        elif kind not in HARMLESS_STEPS:
            raise _unfollowed(
                path, f"was trained behind a pre-processing step that is not known here ({shorten(kind)})"
            )
    return found, doubts


def _steps(path: Path, transform: object) -> Iterator[dict[str, Any]]:
    """Yield the steps of a transform in order, those inside a Compose one by one."""
    waiting = [transform]
    for _ in range(MAX_STEPS):
        if not waiting:
            return
        step = _dict(waiting.pop(0))
        inner = _dict(step.get("init_args")).get("transforms")
        if isinstance(inner, list):
            waiting[:0] = inner[:MAX_STEPS]
        else:
            yield step
    raise _unfollowed(path, f"was trained behind more than {MAX_STEPS} pre-processing steps")


def _resize_filter(path: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the card's entry for torchvision's interpolation; without one it is left to the convention."""
    if "interpolation" not in settings:
        return {}
    mode = str(settings["interpolation"]).rpartition(".")[2].lower()
    if mode not in ("bilinear", "bicubic"):
        raise _unfollowed(path, f"was trained on pictures resized by a filter that is not known here ({shorten(mode)})")
    antialias = settings.get("antialias", True)
    return {"resize_filter": f"{mode}_antialias" if antialias else mode}


def _resize_size(settings: Mapping[str, Any]) -> tuple[object, str]:
    """Return torchvision's size as (height, width), and a sentence where it is only so for square pictures."""
    size = settings.get("size")
    if isinstance(size, list | tuple) and len(size) == 1:
        size = size[0]
    if isinstance(size, list | tuple):
        return tuple(size), ""
    side, which = (settings.get("max_size"), "longer") if size is None else (size, "shorter")
    if side is None:
        return None, ""
    doubt = (
        f"Its pre-processor resizes the {which} side to {shorten(side, 20)} and keeps the picture's shape; square "
        "pictures are assumed, others are stretched. A JSON file beside the weights can set input_size."
    )
    return (side, side), doubt


def _normalisation(path: Path, settings: Mapping[str, Any]) -> dict[str, list[object]]:
    """Return torchvision's mean and std for three channels; one number counts for all of them."""
    mean, deviation = (settings.get(name) for name in ("mean", "std"))
    if not all(isinstance(one, list | tuple) and len(one) in (1, 3) for one in (mean, deviation)):
        raise _unfollowed(path, "was trained on normalised pictures, but does not say by which mean and std")
    assert isinstance(mean, list | tuple)
    assert isinstance(deviation, list | tuple)
    return {name: list(one) * (3 // len(one)) for name, one in (("mean", mean), ("deviation", deviation))}


def _unfollowed(path: Path, wrong: str) -> CheckpointError:
    remedy = (
        "without it every map would be wrong. Do that step on your pictures beforehand and open the state_dict alone "
        "(its card can set input_size, resize_filter and normalisation), or train behind Resize and Normalize alone"
    )
    return refusal(path, wrong, remedy)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
