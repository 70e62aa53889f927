"""The card of a checkpoint: what its flavour implies, what the file says, what a JSON file beside it overrides.

Knows what the weights are (widths, block, size) as given facts; never looks at tensors other than the calibration.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json
from torch import Tensor

from draem_core.checkpoints.files import refusal, shorten, unreadable
from draem_core.checkpoints.reading import RawCheckpoint
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

CORRECT_IT = "correct or remove that entry; the known ones are " + ", ".join(Card.model_fields)


@dataclass(frozen=True)
class Facts:
    """What the weights themselves settle; no card can say otherwise."""

    widths: tuple[int, int]
    sspcab: bool
    parameters: int
    digest: str


def card_of(path: Path, naming: Flavour, facts: Facts, raw: RawCheckpoint) -> Card:
    """Return the card of a checkpoint, whose (first) weights file is ``path`` and uses the layer names of ``naming``.

    The strongest word has the JSON file beside the weights, then the file itself, then the flavour's convention; what
    rests on the last is listed in ``assumed``. Raises CheckpointError for nonsense, naming the file that says it.
    """
    found = _own_card(path, raw.card) if raw.card is not None else _found_in_lightning(path, raw)
    flavour = _flavour_in(found, naming)
    convention = {"name": path.stem.rstrip("_") or path.stem, "flavour": naming, **CONVENTIONS[flavour]}
    assumed = [field for field in ASSUMABLE if field not in found]
    card = _validated(path, {"assumed": assumed, **convention, **asdict(facts), **found})
    _refuse_contradiction(path, card, facts)

    beside = path.with_suffix(".json")
    if not beside.is_file():
        return card
    stated = _stated_in(beside)
    flavour = _flavour_in(stated, card.flavour)
    implied = {field: value for field, value in CONVENTIONS[flavour].items() if field in card.assumed}
    still_assumed = [field for field in card.assumed if field not in stated]
    card = _validated(beside, {**card.model_dump(), **implied, "assumed": still_assumed, **stated})
    _refuse_contradiction(beside, card, facts)
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


def _refuse_contradiction(path: Path, card: Card, facts: Facts) -> None:
    for field, fact in asdict(facts).items():
        said = getattr(card, field)
        if said != fact:
            wrong = f"has a card that says {field} {shorten(said)}, but the weights have {fact}"
            raise refusal(path, wrong, "remove that entry, or put the card beside the weights it belongs to")


def _found_in_lightning(path: Path, raw: RawCheckpoint) -> dict[str, Any]:
    """Return the card's fields that an anomalib Lightning checkpoint holds; of any other file, none."""
    found = _found_in_pre_processor(path, raw.around.get("anomalib_pre_processor_config"))
    calibration = _calibration_in(raw.tensors)
    if calibration != Calibration():
        found["calibration"] = calibration
    progress = {name: raw.around.get(name) for name in ("epoch", "global_step")}
    training = {name: value for name, value in progress.items() if type(value) is int and 0 <= value < 2**53}
    if training:
        found["training"] = training
    return found


def _found_in_pre_processor(path: Path, config: object) -> dict[str, Any]:
    """Read the resize step. A step that changes pixel values otherwise is refused: every map would be wrong."""
    found: dict[str, Any] = {}
    transform = _dict(_dict(config).get("transform"))
    inner = _dict(transform.get("init_args")).get("transforms")
    for step in inner if isinstance(inner, list) else [transform]:
        kind = str(_dict(step).get("class_path", "Identity")).rpartition(".")[2]
        settings = _dict(_dict(step).get("init_args"))
        if kind == "Resize":
            size = settings.get("size")
            if isinstance(size, list | tuple) and len(size) == 2:
                found["input_size"] = tuple(size)
            if settings.get("interpolation") == "bilinear" and isinstance(settings.get("antialias"), bool):
                found["resize_filter"] = "bilinear_antialias" if settings["antialias"] else "bilinear"
        elif kind not in HARMLESS_STEPS:
            wrong = f"was trained behind a pre-processing step that is not known here ({shorten(kind)})"
            raise refusal(path, wrong, "train it with a plain resize, or save its state_dict alone to open it as is")
    return found


def _calibration_in(tensors: dict[str, Tensor]) -> Calibration:
    """Return anomalib's thresholds and ranges; what is absent or not finite is None."""
    values: dict[str, float] = {}
    for field in Calibration.model_fields:
        for name in (f"post_processor._{field}", f"post_processor.{field}"):
            tensor = tensors.get(name)
            if tensor is not None and tensor.numel() == 1 and tensor.is_floating_point() and tensor.isfinite().all():
                values[field] = float(tensor)
    return Calibration(**values)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
