"""What a training run is asked to do: read from TOML or the command line, checked before anything starts."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from draem_core.errors import DraemError
from draem_core.training.losses import LossWeights

Schedule = Literal["original", "anomalib", "cosine"]


class ConfigError(DraemError):
    """A training configuration cannot be used; the message names the field and what it takes."""


class TrainConfig(BaseModel):
    """One training run. Defaults are those of the original DRAEM where it has one.

    data: a dataset's category folder; its good training images are used.
    out: the run folder.
    anomaly_sources: a folder of textures; None takes the built-in ones.
    start_from: a checkpoint of the same widths whose weights training begins with; None begins with random ones.
    batch_size: images per step; under torchrun, per process.
    widths: base widths of (reconstructive, discriminative) network.
    sspcab: the reconstructive network's fifth block is an SSPCAB.
    crop_size: train on a random square of this side from each image, not on the whole; more and cheaper steps,
        which suits textures and short runs. None trains on whole images, as the original does.
    optimizer: "adam" as the original, or "adamw" with ``weight_decay``.
    schedule: "original" ×0.2 at 0.8 and 0.9 of the epochs; "anomalib" ×0.1 at epochs 400 and 600;
        "cosine" warms up over the first 3 % and falls to 0, which suits short runs.
    loss_weights: what each part of the loss weighs.
    focal_alpha: None weighs good and anomalous pixels alike; 1 ignores the good ones, which ruins the map.
    clean_share: probability that a training sample gets no anomaly.
    cutpaste_share: probability that an anomaly is a piece of the image itself in the wrong place, not a texture.
    max_image_share: β, the image's share inside an anomaly, is U(0, max_image_share); 0.8 as the original. Nearer to 1
        makes fainter anomalies, for defects that can barely be seen.
    rotate_share: probability that a good image is turned by up to ±90°.
    precision: "auto" takes bfloat16 where the device has it, else float32.
    validation_share: share of the good images that are held out and judged each epoch with synthetic defects.
    test_every: judge the labelled test set, where there is one, every so many epochs and at the last; 0 never.
    patience: stop when the validation loss has not improved for so many epochs; 0 never does.
    probes: how many images have their reconstruction and map kept at every epoch; 0 keeps none.
    probe_side: the longer side of these pictures on disk; the network sees them whole.
    keep: how many of the newest per-epoch checkpoints stay on disk; 0 keeps all.
    keep_best: keep, besides, the best by validation loss and the best by the test set's image AUROC.
    checkpoint_dtype: how weights are stored; float16 halves the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    out: Path
    anomaly_sources: Path | None = None
    start_from: Path | None = None
    epochs: PositiveInt = 700
    batch_size: PositiveInt = 8
    widths: tuple[PositiveInt, PositiveInt] = (128, 64)
    sspcab: bool = False
    input_size: tuple[PositiveInt, PositiveInt] = (256, 256)
    crop_size: PositiveInt | None = None
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: NonNegativeFloat = 0.01
    learning_rate: PositiveFloat = 1e-4
    schedule: Schedule = "original"
    loss_weights: LossWeights = LossWeights()
    focal_alpha: float | None = Field(default=None, ge=0, le=1)
    clean_share: float = Field(default=0.5, ge=0, lt=1)
    cutpaste_share: float = Field(default=0.0, ge=0, le=1)
    max_image_share: float = Field(default=0.8, gt=0, lt=1)
    rotate_share: float = Field(default=0.3, ge=0, le=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    validation_share: float = Field(default=0.0, ge=0, le=0.5)
    test_every: NonNegativeInt = 0
    patience: NonNegativeInt = 0
    probes: NonNegativeInt = 8
    probe_side: PositiveInt = 128
    keep: NonNegativeInt = 3
    keep_best: bool = True
    checkpoint_dtype: Literal["float32", "float16"] = "float32"

    @field_validator("input_size")
    @classmethod
    def _sides_divide_by_32(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side % 32 for side in size):
            raise ValueError("each side must divide by 32, since five poolings halve it")
        return size

    @model_validator(mode="after")
    def _fields_agree(self) -> "TrainConfig":
        if self.crop_size and (self.crop_size % 32 or self.crop_size > min(self.input_size)):
            raise ValueError("crop_size must divide by 32 and fit into input_size")
        if self.patience and not self.validation_share:
            raise ValueError("patience watches the validation loss; set validation_share as well, to 0.1 for instance")
        return self

    @property
    def train_size(self) -> tuple[int, int]:
        """(H, W) of what the network sees while training."""
        return (self.crop_size, self.crop_size) if self.crop_size else self.input_size


def make_config(values: Mapping[str, object], file: Path | None = None) -> TrainConfig:
    """Return the config of a TOML file, if any, with ``values`` (None = not given) on top.

    Raises:
        ConfigError: the file is no TOML, a field is unknown, missing or out of range.
    """
    merged: dict[str, object] = {}
    if file is not None:
        try:
            merged = dict(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"The config {file} cannot be read: {error}. Give a TOML file.") from error
    merged |= {name: value for name, value in values.items() if value is not None}
    try:
        return TrainConfig.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"The training configuration is not usable. {problems}. See `train --help`.") from error
