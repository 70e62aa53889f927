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
_NOT_EVALUATED = {"validation_share": 0.0, "test_every": 0}  # what a folder did that says nothing of evaluation


class ConfigError(DraemError):
    """A training configuration cannot be used; the message names the field and what it takes."""


class TrainConfig(BaseModel):
    """One training run. Defaults are those of the original DRAEM where it has one.

    The line below a field is its description, here, in ``train --help`` and on the Train page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: Path
    """Category folder, such as datasets/demo/fabric. Its good training images are all that is learned from."""
    out: Path
    """Run folder; one that exists is resumed, and keeps the settings that are not given again."""
    anomaly_sources: Path | None = None
    """Folder of textures that are pasted into good images as synthetic anomalies; without it, built-in ones."""
    start_from: Path | None = None
    """Begin with the weights of a checkpoint of the same widths; without it, with random ones."""
    epochs: PositiveInt = 700
    """How often each image is seen. Pictures and weights are kept after each."""
    batch_size: PositiveInt = 8
    """Images per step (under torchrun, per process). Larger is steadier and takes more memory."""
    widths: tuple[PositiveInt, PositiveInt] = (128, 64)
    """Channels at full resolution: reconstructive, discriminative network. Twice as wide takes up to 4 × as long."""
    sspcab: bool = False
    """Put an SSPCAB, a block that predicts masked channels, into the reconstructive network (Ristea et al., 2022)."""
    input_size: tuple[PositiveInt, PositiveInt] = (256, 256)
    """Height and width that images are resized to; each divides by 32."""
    crop_size: PositiveInt | None = None
    """Side of random squares that are trained on: quicker, suits textures, not shapes. Without it, whole images."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """adam as the original; adamw also pulls weights towards 0, by the weight decay."""
    weight_decay: NonNegativeFloat = 0.01
    """How strongly adamw pulls weights towards 0. Without effect on adam."""
    learning_rate: PositiveFloat = 1e-4
    """How large a step is. Too large diverges, too small leaves the reconstruction grey."""
    schedule: Schedule = "original"
    """How the rate falls. original: × 0.2 at 80 and 90 % of the epochs; anomalib: × 0.1 at epochs 400 and 600; \
cosine: down to 0 after a short rise, which suits short runs."""
    loss_weights: LossWeights = LossWeights()
    """What each part of the loss weighs."""
    focal_alpha: float | None = Field(default=None, ge=0, le=1)
    """Weight of anomalous pixels in the focal loss; good ones get the rest. Without it both weigh 1; \
1 ignores good pixels, which ruins the map."""
    clean_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of samples without a synthetic anomaly, from which the network learns silence."""
    cutpaste_share: float = Field(default=0.0, ge=0, le=1)
    """Share of defects that are a patch of the image itself in the wrong place, not a texture."""
    max_image_share: float = Field(default=0.8, gt=0, lt=1)
    """How much of the image may shine through a defect. Nearer to 1 makes fainter ones, for what can barely be seen."""
    rotate_share: float = Field(default=0.3, ge=0, le=1)
    """Share of good images that are turned by up to ±90°. 0 where parts always lie alike."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """The same seed on the same processor gives the same weights."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Shorter floats are quicker where the device has them; auto takes bfloat16 there."""
    validation_share: float = Field(default=0.1, ge=0, le=0.5)
    """Share of good images held out, evaluated each epoch with synthetic anomalies; at least one of four or more."""
    test_every: NonNegativeInt = 1
    """Evaluate the labelled test images, where there are any, every so many epochs and at the last; 0 never."""
    patience: NonNegativeInt = 0
    """Stop after so many epochs without a better validation loss; 0 never."""
    probes: NonNegativeInt = 8
    """Images whose reconstruction and map are kept at every epoch, for the Epochs page; 0 keeps none."""
    probe_side: PositiveInt = 128
    """Longer side of the probe pictures on disk, in pixels; the network sees them whole."""
    keep: NonNegativeInt = 3
    """How many of the newest checkpoints stay on disk; 0 keeps all."""
    keep_best: bool = True
    """Keep, besides, the best checkpoint by validation loss and the best by the test set's image AUROC."""
    checkpoint_dtype: Literal["float32", "float16"] = "float32"
    """How weights are stored; float16 halves the file."""

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


def recorded_config(described: Mapping[str, object]) -> TrainConfig:
    """Return the config that a run folder has written down, of any version of this program.

    Raises:
        ConfigError: it is none.
    """
    return make_config({**_NOT_EVALUATED, **described})
