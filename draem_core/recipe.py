"""A recipe: everything that turns a picture into a verdict, in one JSON file that gives the same masks without the app.

Knows checkpoints by their cards alone; opens no weights and no pictures.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import from_json

from draem_core.atomic import write_atomically
from draem_core.disk import remedy
from draem_core.errors import RecipeError
from draem_core.evaluation.calibration import normalised_pixel
from draem_core.grid_mask import MaskDownscaling
from draem_core.inference.precision import Precision
from draem_core.postprocess import PostProcess
from draem_core.types import Calibration, Card, ColorOrder, ConcatOrder, Flavour, Normalisation, ResizeFilter, ScoreRule
from draem_core.version import __version__

RECIPE_VERSION: Literal[1] = 1
MAX_RECIPE_BYTES = 2**20

Zone = Literal["OK", "unsure", "NG"]
Share = Annotated[float, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=1000)]
Count = Annotated[int, Field(ge=0)]

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class RecipeCheckpoint(BaseModel):
    """The weights, by the SHA-256 of their file or files, and what of their card changes a map or a score."""

    model_config = _STRICT

    name: Text
    digest: Digest
    flavour: Flavour
    input_size: tuple[PositiveInt, PositiveInt]
    resize_filter: ResizeFilter
    normalisation: Normalisation | None = Field(default=None, exclude_if=lambda value: value is None)
    color_order: ColorOrder
    concat_order: ConcatOrder
    score_rule: ScoreRule
    calibration: Calibration | None = None

    @classmethod
    def of(cls, card: Card) -> Self:
        """Take over a card's entries of the same names."""
        return cls(**{name: getattr(card, name) for name in cls.model_fields})


class Computation(BaseModel):
    """How the maps came about: the device's kind, the precision asked for and the one that was really in use."""

    model_config = _STRICT

    device: Text
    asked: Precision
    precision: Literal["float32", "bfloat16", "float16"]


class Measured(BaseModel):
    """Metrics and the images that they were measured on.

    unlabelled: images without a label, which no metric counts. dataset_digest: of the images, or the key of the
    scores. tuned_on_these: the setting was chosen on these same images, so the metrics are optimistic. split: which
    part of the dataset these images are ("tuning half", "checking half"), None for all of it. figures: metrics by name
    (image_f1, pixel_auroc …), None where undefined, counts as whole numbers; the ends of NAME's 95 % interval are
    NAME_low and NAME_high. mask_downscaling: how masks came to the map's grid for the pixel metrics.
    """

    model_config = _STRICT

    dataset: Text
    good: Count
    defect: Count
    unlabelled: Count = 0
    dataset_digest: Text | None = None
    tuned_on_these: bool
    split: Text | None = None
    mask_downscaling: MaskDownscaling = "nearest"
    figures: dict[Text, int | float | None]

    @field_validator("figures", mode="before")
    @classmethod
    def _plain_numbers(cls, figures: Any) -> Any:
        """Let numpy's numbers in, and NaN as undefined."""
        if not isinstance(figures, Mapping):
            return figures
        plain = {name: value.item() if isinstance(value, np.number) else value for name, value in figures.items()}
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in plain.items()
        }


class Recipe(BaseModel):
    """A setting, the checkpoint that it was made for, and how well it did. Make one with `Recipe.of`.

    sensitivity: in [0, 1]; ``pixel_threshold`` is float32(1 − sensitivity), in raw map units, and a pixel is flagged
        strictly above it. kernel_size, min_area: as in `PostProcess`, on the map's pixels.
    unsure_sensitivity: at least ``sensitivity``; with it an image that is not NG, but would be at this sensitivity,
        is unsure. ``unsure_threshold`` is its raw value.
    normalised_pixel_threshold, normalised_unsure_threshold: the same values as anomalib shows them; None where the
        checkpoint is not calibrated.
    measured: how well the setting did; where a dataset was split, one entry for the images that it was chosen on and
        one for those that it was checked on.
    normalize: the person who tuned looked at normalised values. Masks and verdicts come from the raw ones in any case.

    Raises ValidationError where an entry is out of range or two contradict each other.
    """

    model_config = _STRICT

    version: Literal[1] = RECIPE_VERSION
    checkpoint: RecipeCheckpoint
    sensitivity: Share
    pixel_threshold: float
    kernel_size: Annotated[int, Field(ge=1, le=4096)]
    min_area: Annotated[int, Field(ge=0, le=4096**2)]
    unsure_sensitivity: Share | None = None
    unsure_threshold: float | None = None
    normalize: bool = False
    normalised_pixel_threshold: float | None = None
    normalised_unsure_threshold: float | None = None
    computation: Computation
    measured: tuple[Measured, ...] = ()
    note: Annotated[str, Field(max_length=10_000)] = ""
    created: Annotated[AwareDatetime, Field(strict=False)]
    app_version: Text = __version__

    @classmethod
    def of(
        cls,
        card: Card,
        post_process: PostProcess,
        computation: Computation,
        *,
        unsure_sensitivity: float | None = None,
        normalize: bool = False,
        measured: tuple[Measured, ...] = (),
        note: str = "",
    ) -> Self:
        """Return the recipe of a setting, with the thresholds that follow from it, made now.

        Raises:
            RecipeError: the parts contradict each other, e.g. ``unsure_sensitivity`` is below the sensitivity.
        """
        calibration = card.calibration
        threshold = _threshold(post_process.sensitivity)
        unsure = None if unsure_sensitivity is None else _threshold(unsure_sensitivity)
        try:
            return cls(
                checkpoint=RecipeCheckpoint.of(card),
                sensitivity=float(post_process.sensitivity),
                pixel_threshold=threshold,
                kernel_size=int(post_process.kernel_size),
                min_area=int(post_process.min_area),
                unsure_sensitivity=None if unsure_sensitivity is None else float(unsure_sensitivity),
                unsure_threshold=unsure,
                normalize=normalize,
                normalised_pixel_threshold=_normalised(threshold, calibration),
                normalised_unsure_threshold=_normalised(unsure, calibration),
                computation=computation,
                measured=measured,
                note=note,
                created=datetime.now(UTC).replace(microsecond=0),
            )
        except ValidationError as error:
            raise RecipeError(f"No recipe can be made of this setting: {_first(error)}.") from None

    @property
    def post_process(self) -> PostProcess:
        """The rule for masks."""
        return PostProcess(self.sensitivity, self.kernel_size, self.min_area)

    def zone(self, score: float) -> Zone:
        """Return the verdict on an image of this `postprocessed_score` at the recipe's kernel and area."""
        return zone_of(score, self.pixel_threshold, self.unsure_threshold)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_threshold("pixel_threshold", self.pixel_threshold, "sensitivity", self.sensitivity)
        if (self.unsure_sensitivity is None) != (self.unsure_threshold is None):
            raise ValueError("unsure_sensitivity and unsure_threshold must both be there or both be null")
        if self.unsure_sensitivity is not None and self.unsure_threshold is not None:
            _check_threshold("unsure_threshold", self.unsure_threshold, "unsure_sensitivity", self.unsure_sensitivity)
            if self.unsure_sensitivity < self.sensitivity:
                raise ValueError(
                    f"unsure_sensitivity is {self.unsure_sensitivity}, below the sensitivity {self.sensitivity}"
                )
        self._check_normalised("normalised_pixel_threshold", self.normalised_pixel_threshold, self.pixel_threshold)
        self._check_normalised("normalised_unsure_threshold", self.normalised_unsure_threshold, self.unsure_threshold)
        if self.normalize and self.normalised_pixel_threshold is None:
            raise ValueError("normalize is set, but the checkpoint is not calibrated")
        return self

    def _check_normalised(self, name: str, stated: float | None, raw: float | None) -> None:
        expected = _normalised(raw, self.checkpoint.calibration)
        if expected is None or stated is None:
            agrees = expected is stated
        else:
            agrees = math.isclose(stated, expected, abs_tol=1e-9)
        if not agrees:
            raise ValueError(f"{name} is {stated}, but the raw threshold and the calibration give {expected}")


def zone_of(score: float, threshold: float, unsure_threshold: float | None) -> Zone:
    """Return NG above the threshold, else unsure above ``unsure_threshold`` where there is one, else OK.

    All three are float32 values.
    """
    if score > threshold:
        return "NG"
    return "unsure" if unsure_threshold is not None and score > unsure_threshold else "OK"


def raw_sensitivity(normalised_sensitivity: float, calibration: Calibration) -> float | None:
    """Return the sensitivity on raw maps that equals one on anomalib's normalised maps; None without calibration.

    The normalised map exceeds 1 − s where the raw one exceeds threshold + (0.5 − s)(max − min); clipped to [0, 1].
    """
    threshold, low, high = calibration.pixel_threshold, calibration.pixel_min, calibration.pixel_max
    if threshold is None or low is None or high is None or high <= low:
        return None
    return min(1.0, max(0.0, 1 - (threshold + (0.5 - normalised_sensitivity) * (high - low))))


def save_recipe(recipe: Recipe, path: Path) -> Path:
    """Write a recipe as JSON whole or not at all; return the path.

    Raises:
        RecipeError: it cannot be written; an older file of that name is untouched.
    """
    try:
        return write_atomically(path, recipe_json(recipe))
    except OSError as error:
        raise RecipeError(f"{path} could not be written ({error.strerror or error}); {remedy(error)}.") from error


def recipe_json(recipe: Recipe) -> bytes:
    """Return the recipe's file: indented JSON, UTF-8."""
    return recipe.model_dump_json(indent=2).encode() + b"\n"


def load_recipe(path: Path) -> Recipe:
    """Read a recipe's file; raises RecipeError, in a sentence, for whatever is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RECIPE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RecipeError(f"{path} cannot be read ({reason}); check the path.") from None
    return parse_recipe(content, str(path))


def parse_recipe(content: bytes, name: str) -> Recipe:
    """Return the recipe in a file's bytes; ``name`` stands for the file in messages. Raises RecipeError."""
    if len(content) > MAX_RECIPE_BYTES:
        raise RecipeError(f"{name} is larger than 1 MB, so it is no recipe; choose a file saved by 'Save recipe'.")
    content = content.removeprefix(b"\xef\xbb\xbf")  # Windows editors put it in front
    try:
        entries = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise RecipeError(f"{name} is no valid JSON ({error}); save the recipe again from the app.") from None
    if not isinstance(entries, dict) or "version" not in entries:
        raise RecipeError(f"{name} is JSON, but no recipe: it has no version. Choose a file saved by 'Save recipe'.")
    version = entries["version"]
    if type(version) is not int or version != RECIPE_VERSION:
        raise RecipeError(
            f"{name} is a recipe of version {str(version)[:20]}, and this app reads version "
            f"{RECIPE_VERSION}; use the app that made it, or save the recipe again here."
        )
    try:
        return Recipe.model_validate_json(content)
    except ValidationError as error:
        raise RecipeError(f"{name} is no usable recipe: {_first(error)}. Save it again from the app.") from None


def check_card(recipe: Recipe, card: Card) -> None:
    """Raise RecipeError where a checkpoint's card is not the one that the recipe was made for."""
    made_for = recipe.checkpoint
    if card.digest != made_for.digest:
        raise RecipeError(
            f"The recipe was made for the checkpoint {made_for.name} with digest {made_for.digest[:12]}…, but "
            f"{card.name} has digest {card.digest[:12] or 'none'}…; its masks would differ. Use the recipe's own "
            "weights, or tune and save a recipe for these."
        )
    for field in ("input_size", "resize_filter", "normalisation", "color_order", "concat_order", "score_rule"):
        stated, found = getattr(made_for, field), getattr(card, field)
        if stated != found:
            raise RecipeError(
                f"The weights are the recipe's, but their card says {field} {found or 'none'} where the recipe says "
                f"{stated or 'none'}; "
                f"correct or remove the JSON file beside {card.name}."
            )


def _threshold(sensitivity: float) -> float:
    return float(np.float32(1 - sensitivity))


def _normalised(raw: float | None, calibration: Calibration | None) -> float | None:
    return None if raw is None or calibration is None else normalised_pixel(raw, calibration)


def _check_threshold(name: str, threshold: float, source: str, sensitivity: float) -> None:
    if threshold != _threshold(sensitivity):
        raise ValueError(
            f"{name} is {threshold}, but {source} {sensitivity} means float32(1 − {source}) = {_threshold(sensitivity)}"
        )


def _first(error: ValidationError) -> str:
    """Return what is wrong first, with the place where it stands."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")[:300]
    return f"{place}: {message}" if place else message
