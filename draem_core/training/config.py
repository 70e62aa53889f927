"""What a training run is asked to do: read from TOML or the command line, checked before anything starts."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from draem_core.errors import DraemError

Schedule = Literal["original", "anomalib", "cosine"]


class ConfigError(DraemError):
    """A training configuration cannot be used; the message names the field and what it takes."""


class TrainConfig(BaseModel):
    """One training run. Defaults are those of the original DRAEM where it has one.

    data: a dataset's category folder; its good training images are used.
    out: the run folder.
    anomaly_sources: a folder of textures; None takes the built-in ones.
    start_from: a checkpoint of the same widths whose weights training begins with; None begins with random ones.
    widths: base widths of (reconstructive, discriminative) network.
    crop_size: train on a random square of this side from each image, not on the whole; more and cheaper steps,
        which suits textures and short runs. None trains on whole images, as the original does.
    schedule: "original" ×0.2 at 0.8 and 0.9 of the epochs; "anomalib" ×0.1 at epochs 400 and 600;
        "cosine" warms up over the first 3 % and falls to 0, which suits short runs.
    rotate_share: probability that a good image is turned by up to ±90°.
    keep: how many of the newest per-epoch checkpoints stay on disk; 0 keeps all.
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
    input_size: tuple[PositiveInt, PositiveInt] = (256, 256)
    crop_size: PositiveInt | None = None
    learning_rate: PositiveFloat = 1e-4
    schedule: Schedule = "original"
    clean_share: float = Field(default=0.5, ge=0, lt=1)
    rotate_share: float = Field(default=0.3, ge=0, le=1)
    seed: int = Field(default=0, ge=0, lt=2**31)
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    keep: int = Field(default=3, ge=0)
    checkpoint_dtype: Literal["float32", "float16"] = "float32"

    @field_validator("input_size")
    @classmethod
    def _sides_divide_by_32(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side % 32 for side in size):
            raise ValueError("each side must divide by 32, since five poolings halve it")
        return size

    @model_validator(mode="after")
    def _crop_fits(self) -> "TrainConfig":
        if self.crop_size and (self.crop_size % 32 or self.crop_size > min(self.input_size)):
            raise ValueError("crop_size must divide by 32 and fit into input_size")
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
