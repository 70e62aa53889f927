"""One synthetic sample with every stage kept: what training draws from a seed, but for what a person sets by hand.

The pictures come from the functions that training calls, on a batch of one. Knows no file and no network.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from draem_core.synthesis.anomalies import NOISE_THRESHOLD, Blended, blend, blend_textures, perlin_masks, turn_some
from draem_core.synthesis.augment import AUGMENTATIONS, Change, apply_changes
from draem_core.synthesis.cutpaste import Pasted, PieceDraw, draw_pieces, paste, piece_mask
from draem_core.synthesis.draws import CLEAN_SHARE, BatchDraw, TextureDraw, draw_batch
from draem_core.synthesis.perlin import MAX_OCTAVE, gradient_noise, random_directions

Kind = Literal["texture", "cutpaste"]
ROTATE_SHARE = 0.3  # as the original code, and as training by default
SCALES = tuple(2**octave for octave in range(MAX_OCTAVE))
_BY_NAME = {augmentation.name: augmentation for augmentation in AUGMENTATIONS}


@dataclass(frozen=True)
class Hand:
    """What a person sets of a sample; None leaves it to the seed.

    coin: "painted" or "clean", whatever the coin says. turn: degrees of the good picture, −90 … 90.
    scale_y, scale_x: lattice cells, 1, 2, 4 … 32. gradients: a seed of their directions alone.
    angle: degrees of the noise, −90 … 90. noise_threshold: −1 … 1.
    texture: number of the anomaly source; the last one where there are not as many.
    change_1, change_2, change_3: names of augmentations. strengths: a seed of their strengths alone.
    beta: the image's share, 0 … 1.
    piece_height, piece_width: pixels. piece_turn: degrees, −90 … 90. from_row, from_column, to_row, to_column: pixels,
    the piece's centre. brightness: a factor, 0 … 2.

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
        return tuple(field.name for field in fields(Hand) if getattr(self, field.name) is not None)


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

    draw: what was decided. straight: (H, W), the noise before it is turned. threshold: what it was cut at.
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
class PieceStages:
    """How a piece came into the wrong place: what was decided, the batch of one, and (H, W) bool where it was cut."""

    draw: PieceDraw
    pasted: Pasted
    source_mask: Tensor


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample on its way.

    coin: in [0, 1); below CLEAN_SHARE the seed leaves the picture good. turn: degrees of the good picture.
    image: (3, H, W) float32 in [0, 1], the reconstruction's target. corrupted: the same, the network's input.
    mask: (H, W) bool, the truth.
    texture, piece: the stages, of which at most one is there; both None where the picture stays good.
    """

    coin: float
    turn: float
    image: Tensor
    corrupted: Tensor
    mask: Tensor
    texture: TextureStages | None
    piece: PieceStages | None

    @property
    def is_clean(self) -> bool:
        """Nothing was painted, not even an empty mask."""
        return self.texture is None and self.piece is None


def make_sample(image: Tensor, textures: Tensor, seed: int, kind: Kind = "texture", hand: Hand | None = None) -> Sample:
    """Make one sample of a good image (3, H, W) float32 in [0, 1] on the CPU.

    Without a hand it is, bit for bit, what ``synthesise`` makes of a batch of this image by a generator of this seed,
    with the shares that training takes by default and, for "cutpaste", a ``cutpaste_share`` of 1.

    Args:
        textures: (N, 3, H, W) uint8, the anomaly sources.
        hand: what is not left to the seed. Gradients and strengths that fit no longer, since a scale or a change was
            set by hand, are drawn anew from the seed; all else stays as it was drawn.
    """
    hand = hand or Hand()
    size = (image.shape[1], image.shape[2])
    draw = _draw(size, len(textures), seed, kind, hand)
    good = turn_some(image[None], draw)
    corrupted, mask = good, torch.zeros(size, dtype=torch.bool)
    texture, piece = None, None
    if draw.texture is not None and kind == "texture":
        texture = _texture_stages(good, textures, draw.texture, hand)
        corrupted, mask = texture.blended.corrupted, texture.blended.mask[0, 0] > 0
    elif draw.pieces is not None:
        pasted = paste(good, draw.pieces)
        piece = PieceStages(draw.pieces, pasted, piece_mask(draw.pieces, draw.pieces.source, size)[0, 0])
        corrupted, mask = pasted.changed, pasted.mask[0, 0]
    turn = math.degrees(float(draw.turns[0])) if len(draw.turned) else 0.0
    return Sample(float(draw.coins[0]), turn, good[0], corrupted[0], mask, texture, piece)


def mask_shares(count: int, size: tuple[int, int], kind: Kind = "texture", seed: int = 0) -> Tensor:
    """Return (count,) float64: which share of the pixels each of so many drawn masks covers, clean samples aside."""
    generator = torch.Generator().manual_seed(seed)
    shares = []
    for _ in range(count):  # one by one, which stays in the processor's cache, is six times as fast as all at once
        if kind == "cutpaste":
            piece = draw_pieces(1, size, generator)
            mask = piece_mask(piece, piece.target, size)
        else:
            mask = perlin_masks(1, size, generator)
        shares.append(mask.sum(dtype=torch.float64) / mask.numel())
    return torch.stack(shares)


def _draw(size: tuple[int, int], sources: int, seed: int, kind: Kind, hand: Hand) -> BatchDraw:
    draw = draw_batch(
        1,
        size,
        sources,
        torch.Generator().manual_seed(seed),
        clean_share={None: CLEAN_SHARE, "painted": 0.0, "clean": 1.0}[hand.coin],
        rotate_share=ROTATE_SHARE,
        cutpaste_share=float(kind == "cutpaste"),
    )
    if hand.turn is not None:
        turned = torch.arange(1 if hand.turn else 0)
        draw = replace(draw, turned=turned, turns=torch.full((len(turned),), math.radians(hand.turn)))
    if draw.texture is not None:
        draw = replace(draw, texture=_texture_by_hand(draw.texture, sources, seed, hand))
    if draw.pieces is not None:
        draw = replace(draw, pieces=_piece_by_hand(draw.pieces, size, hand))
    return draw


def _texture_by_hand(draw: TextureDraw, sources: int, seed: int, hand: Hand) -> TextureDraw:
    noise = draw.noise
    if hand.angle is not None:
        noise = replace(noise, angles=torch.tensor([math.radians(hand.angle)]))
    if (hand.scale_y, hand.scale_x, hand.gradients) != (None, None, None):
        drawn_y, drawn_x = noise.scales[0].tolist()
        scales = torch.tensor([[hand.scale_y or drawn_y, hand.scale_x or drawn_x]])
        generator = torch.Generator().manual_seed(seed if hand.gradients is None else hand.gradients)
        noise = replace(noise, scales=scales, directions=random_directions(scales, generator))
    if hand.texture is not None:
        draw = replace(draw, texture=torch.tensor([min(hand.texture, sources - 1)]))
    if hand.beta is not None:
        draw = replace(draw, image_share=torch.full((1, 1, 1, 1), hand.beta))
    return replace(draw, noise=noise, changes=_changes_by_hand(draw.changes, seed, hand))


def _changes_by_hand(changes: tuple[Change, ...], seed: int, hand: Hand) -> tuple[Change, ...]:
    chosen = []
    for place, (change, name) in enumerate(zip(changes, (hand.change_1, hand.change_2, hand.change_3), strict=True)):
        if name is not None or hand.strengths is not None:
            augmentation = _BY_NAME[name or change.augmentation.name]
            generator = torch.Generator().manual_seed((seed if hand.strengths is None else hand.strengths) + place)
            change = Change(augmentation, change.samples, augmentation.draw(1, generator))
        chosen.append(change)
    return tuple(chosen)


def _piece_by_hand(draw: PieceDraw, size: tuple[int, int], hand: Hand) -> PieceDraw:
    def chosen(drawn: Tensor, value: float | None, most: float = math.inf) -> Tensor:
        return drawn if value is None else torch.full_like(drawn, min(value, most))

    def centre(drawn: Tensor, row: int | None, column: int | None) -> Tensor:
        return torch.stack((chosen(drawn[:, 0], row, size[0] - 1), chosen(drawn[:, 1], column, size[1] - 1)), dim=1)

    def half(drawn: Tensor, side: int | None, most: int) -> Tensor:
        return chosen(drawn, None if side is None else min(side, most) / 2)

    return replace(
        draw,
        half_height=half(draw.half_height, hand.piece_height, size[0]),
        half_width=half(draw.half_width, hand.piece_width, size[1]),
        angle=chosen(draw.angle, None if hand.piece_turn is None else math.radians(hand.piece_turn)),
        target=centre(draw.target, hand.to_row, hand.to_column),
        source=centre(draw.source, hand.from_row, hand.from_column),
        brightness=chosen(draw.brightness, hand.brightness),
    )


def _texture_stages(good: Tensor, textures: Tensor, draw: TextureDraw, hand: Hand) -> TextureStages:
    size = (good.shape[2], good.shape[3])
    threshold = NOISE_THRESHOLD if hand.noise_threshold is None else hand.noise_threshold
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
