"""One synthetic sample with every stage kept: what training draws from a seed, but for what a person sets by hand.

The pictures come from the functions that training calls, on a batch of one. Knows no file and no network.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from draem_core.synthesis.anomalies import NOISE_THRESHOLD, Blended, blend, blend_textures, perlin_masks, rotate_some
from draem_core.synthesis.augment import AUGMENTATIONS, DrawnAugmentation, apply_changes
from draem_core.synthesis.cutpaste import Pasted, PatchDraw, draw_patches, paste, patch_mask
from draem_core.synthesis.perlin import MAX_OCTAVE, gradient_noise, random_directions
from draem_core.synthesis.random_params import CLEAN_SHARE, BatchDraw, TextureDraw, draw_batch

AnomalySource = Literal["texture", "cutpaste"]
ROTATE_SHARE = 0.3  # as the original code, and as training by default
SCALES = tuple(2**octave for octave in range(MAX_OCTAVE))
_BY_NAME = {augmentation.name: augmentation for augmentation in AUGMENTATIONS}


@dataclass(frozen=True)
class SampleOverrides:
    """What a person sets of a sample; None leaves it to the seed.

    coin: "painted" or "clean", whatever the coin says. turn: degrees of the good picture, −90 … 90.
    scale_y, scale_x: lattice cells, 1, 2, 4 … 32. gradients: a seed of their directions alone.
    angle: degrees of the noise, −90 … 90. noise_threshold: −1 … 1.
    texture: number of the anomaly source; the last one where there are not as many.
    change_1, change_2, change_3: names of augmentations. strengths: a seed of their strengths alone.
    beta: the image's share, 0 … 1.
    piece_height, piece_width: pixels. piece_turn: degrees, −90 … 90. from_row, from_column, to_row, to_column: pixels,
    the patch's centre. brightness: a factor, 0 … 2.

    Raises ValueError, in a sentence, for a value outside its range.
    """

    coin: str | None = None
    turn: float | None = None
    scale_y: int | None = None
    scale_x: int | None = None
    gradients: int | None = None
    angle: float | None = None
    noise_threshold: float | None = None
    texture: int | None = None
    change_1: str | None = None
    change_2: str | None = None
    change_3: str | None = None
    strengths: int | None = None
    beta: float | None = None
    piece_height: int | None = None
    piece_width: int | None = None
    piece_turn: float | None = None
    from_row: int | None = None
    from_column: int | None = None
    to_row: int | None = None
    to_column: int | None = None
    brightness: float | None = None

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(str, known))}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must lie between {low:g} and {high:g}")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of what is set."""
        return tuple(field.name for field in fields(SampleOverrides) if getattr(self, field.name) is not None)


_CHOICES: dict[str, tuple[object, ...]] = {
    "coin": ("painted", "clean"),
    **dict.fromkeys(("scale_y", "scale_x"), SCALES),
    **dict.fromkeys(("change_1", "change_2", "change_3"), tuple(_BY_NAME)),
}
_RANGES = {
    **dict.fromkeys(("turn", "angle", "piece_turn"), (-90.0, 90.0)),
    **dict.fromkeys(("gradients", "strengths", "texture"), (0.0, 2.0**31 - 1)),
    "noise_threshold": (-1.0, 1.0),
    "beta": (0.0, 1.0),
    "brightness": (0.0, 2.0),
    **dict.fromkeys(("piece_height", "piece_width"), (1.0, 1e5)),
    **dict.fromkeys(("from_row", "from_column", "to_row", "to_column"), (0.0, 1e5)),
}


@dataclass(frozen=True, eq=False)
class TextureStages:
    """How a texture came into the picture, all of one sample.

    draw: what was decided. straight: (H, W), the noise before it is rotated. threshold: what it was cut at.
    blended: the batch of one. steps: (3, H, W) after each of ``draw.changes``.
    mixture: (3, H, W), image and texture blended everywhere, before the mask cuts it out.
    """

    draw: TextureDraw
    straight: Tensor
    threshold: float
    blended: Blended
    steps: tuple[Tensor, ...]
    mixture: Tensor

    @property
    def image_share(self) -> float:
        """β as the original's code blends."""
        return float(self.draw.image_share)

    @property
    def texture_share(self) -> float:
        """1 − β: what the paper's formula and anomalib call the opacity of the anomaly."""
        return 1 - self.image_share


@dataclass(frozen=True, eq=False)
class PatchStages:
    """How a patch came into the wrong place: what was decided, the batch of one, and (H, W) bool where it was cut."""

    draw: PatchDraw
    pasted: Pasted
    source_mask: Tensor


@dataclass(frozen=True, eq=False)
class SyntheticSample:
    """One sample on its way.

    coin: in [0, 1); below CLEAN_SHARE the seed leaves the picture good. turn: degrees of the good picture.
    image: (3, H, W) float32 in [0, 1], the reconstruction's target. corrupted: the same, the network's input.
    mask: (H, W) bool, the truth.
    texture, patch: the stages, of which at most one is there; both None where the picture stays good.
    """

    coin: float
    turn: float
    image: Tensor
    corrupted: Tensor
    mask: Tensor
    texture: TextureStages | None
    patch: PatchStages | None

    @property
    def is_clean(self) -> bool:
        """Nothing was painted, not even an empty mask."""
        return self.texture is None and self.patch is None


def make_sample(
    image: Tensor,
    textures: Tensor,
    seed: int,
    kind: AnomalySource = "texture",
    overrides: SampleOverrides | None = None,
) -> SyntheticSample:
    """Make one sample of a good image (3, H, W) float32 in [0, 1] on the CPU.

    Without a hand it is, bit for bit, what ``synthesise`` makes of a batch of this image by a generator of this seed,
    with the shares that training takes by default and, for "cutpaste", a ``cutpaste_share`` of 1.

    Args:
        textures: (N, 3, H, W) uint8, the anomaly sources.
        overrides: what is not left to the seed. Gradients and strengths that fit no longer, since a scale or a change
            was set by hand, are drawn anew from the seed; all else stays as it was drawn.
    """
    overrides = overrides or SampleOverrides()
    size = (image.shape[1], image.shape[2])
    draw = _draw(size, len(textures), seed, kind, overrides)
    good = rotate_some(image[None], draw)
    corrupted, mask = good, torch.zeros(size, dtype=torch.bool)
    texture, patch = None, None
    if draw.texture is not None and kind == "texture":
        texture = _texture_stages(good, textures, draw.texture, overrides)
        corrupted, mask = texture.blended.corrupted, texture.blended.mask[0, 0] > 0
    elif draw.patches is not None:
        pasted = paste(good, draw.patches)
        patch = PatchStages(draw.patches, pasted, patch_mask(draw.patches, draw.patches.source, size)[0, 0])
        corrupted, mask = pasted.changed, pasted.mask[0, 0]
    turn = math.degrees(float(draw.rotations[0])) if len(draw.rotated) else 0.0
    return SyntheticSample(float(draw.anomaly_draws[0]), turn, good[0], corrupted[0], mask, texture, patch)


def mask_shares(count: int, size: tuple[int, int], kind: AnomalySource = "texture", seed: int = 0) -> Tensor:
    """Return (count,) float64: which share of the pixels each of so many drawn masks covers, clean samples aside."""
    generator = torch.Generator().manual_seed(seed)
    shares = []
    for _ in range(count):  # one by one, which stays in the processor's cache, is six times as fast as all at once
        if kind == "cutpaste":
            patch = draw_patches(1, size, generator)
            mask = patch_mask(patch, patch.target, size)
        else:
            mask = perlin_masks(1, size, generator)
        shares.append(mask.sum(dtype=torch.float64) / mask.numel())
    return torch.stack(shares)


def _draw(size: tuple[int, int], sources: int, seed: int, kind: AnomalySource, overrides: SampleOverrides) -> BatchDraw:
    draw = draw_batch(
        1,
        size,
        sources,
        torch.Generator().manual_seed(seed),
        clean_share={None: CLEAN_SHARE, "painted": 0.0, "clean": 1.0}[overrides.coin],
        rotate_share=ROTATE_SHARE,
        cutpaste_share=float(kind == "cutpaste"),
    )
    if overrides.turn is not None:
        rotated = torch.arange(1 if overrides.turn else 0)
        draw = replace(draw, rotated=rotated, rotations=torch.full((len(rotated),), math.radians(overrides.turn)))
    if draw.texture is not None:
        draw = replace(draw, texture=_override_texture(draw.texture, sources, seed, overrides))
    if draw.patches is not None:
        draw = replace(draw, patches=_override_patch(draw.patches, size, overrides))
    return draw


def _override_texture(draw: TextureDraw, sources: int, seed: int, overrides: SampleOverrides) -> TextureDraw:
    noise = draw.noise
    if overrides.angle is not None:
        noise = replace(noise, angles=torch.tensor([math.radians(overrides.angle)]))
    if (overrides.scale_y, overrides.scale_x, overrides.gradients) != (None, None, None):
        drawn_y, drawn_x = noise.scales[0].tolist()
        scales = torch.tensor([[overrides.scale_y or drawn_y, overrides.scale_x or drawn_x]])
        generator = torch.Generator().manual_seed(seed if overrides.gradients is None else overrides.gradients)
        noise = replace(noise, scales=scales, directions=random_directions(scales, generator))
    if overrides.texture is not None:
        draw = replace(draw, texture=torch.tensor([min(overrides.texture, sources - 1)]))
    if overrides.beta is not None:
        draw = replace(draw, image_share=torch.full((1, 1, 1, 1), overrides.beta))
    return replace(draw, noise=noise, changes=_override_augmentations(draw.changes, seed, overrides))


def _override_augmentations(
    changes: tuple[DrawnAugmentation, ...], seed: int, overrides: SampleOverrides
) -> tuple[DrawnAugmentation, ...]:
    chosen = []
    for place, (change, name) in enumerate(
        zip(changes, (overrides.change_1, overrides.change_2, overrides.change_3), strict=True)
    ):
        if name is not None or overrides.strengths is not None:
            augmentation = _BY_NAME[name or change.augmentation.name]
            generator = torch.Generator().manual_seed(
                (seed if overrides.strengths is None else overrides.strengths) + place
            )
            change = DrawnAugmentation(augmentation, change.samples, augmentation.draw(1, generator))
        chosen.append(change)
    return tuple(chosen)


def _override_patch(draw: PatchDraw, size: tuple[int, int], overrides: SampleOverrides) -> PatchDraw:
    def chosen(drawn: Tensor, value: float | None, most: float = math.inf) -> Tensor:
        return drawn if value is None else torch.full_like(drawn, min(value, most))

    def centre(drawn: Tensor, row: int | None, column: int | None) -> Tensor:
        return torch.stack((chosen(drawn[:, 0], row, size[0] - 1), chosen(drawn[:, 1], column, size[1] - 1)), dim=1)

    def half(drawn: Tensor, side: int | None, most: int) -> Tensor:
        return chosen(drawn, None if side is None else min(side, most) / 2)

    return replace(
        draw,
        half_height=half(draw.half_height, overrides.piece_height, size[0]),
        half_width=half(draw.half_width, overrides.piece_width, size[1]),
        angle=chosen(draw.angle, None if overrides.piece_turn is None else math.radians(overrides.piece_turn)),
        target=centre(draw.target, overrides.to_row, overrides.to_column),
        source=centre(draw.source, overrides.from_row, overrides.from_column),
        brightness=chosen(draw.brightness, overrides.brightness),
    )


def _texture_stages(good: Tensor, textures: Tensor, draw: TextureDraw, overrides: SampleOverrides) -> TextureStages:
    size = (good.shape[2], good.shape[3])
    threshold = NOISE_THRESHOLD if overrides.noise_threshold is None else overrides.noise_threshold
    blended = blend_textures(good, textures, draw, threshold)
    steps, texture = [], blended.source
    for change in draw.changes:
        texture = apply_changes(texture, [change])
        steps.append(texture[0])
    return TextureStages(
        draw=draw,
        straight=gradient_noise(replace(draw.noise, angles=torch.zeros(1)), size)[0],
        threshold=threshold,
        blended=blended,
        steps=tuple(steps),
        mixture=blend(good, blended.texture, torch.ones_like(blended.mask), draw.image_share)[0],
    )
