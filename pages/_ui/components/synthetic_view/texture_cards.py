"""The stages of a blended texture: gradients, noise, rotation, threshold, mask, texture, its changes, β, blend.

Knows no Streamlit and no network.
"""

import math

import numpy as np
from torch import Tensor

from draem_core.data.textures import BUILT_IN, CROPS_PER_PICTURE
from draem_core.synthesis.augment import AUGMENTATIONS, DrawnAugmentation
from draem_core.synthesis.random_params import MAX_IMAGE_SHARE
from draem_core.synthesis.sample import SCALES, TextureStages
from pages._ui.components.inside_view.payload import scale_colours
from pages._ui.components.synthetic_view.card import (
    Control,
    StageCard,
    as_picture,
    control,
    shape_and_range,
    share_of,
    signed,
)
from pages._ui.components.synthetic_view.drawings import arrows, lattice
from pages._ui.components.synthetic_view.settings import SyntheticSettings
from pages._ui.components.synthetic_view.view import SyntheticView
from pages._ui.texts import text

NOISE_COLOURS = "RdBu_r"
_FADED, _GREY = 0.22, 150  # how much colour stays below the threshold, and towards which grey the rest goes
_PATTERNS = ("stripes", "checks", "cloud", "grain")  # that stand behind the built-in pictures, four by four


def texture_cards(view: SyntheticView, stages: TextureStages) -> list[StageCard]:
    """Return the cards, in the order of the data, without the good picture and the network's."""
    return [*_shape_cards(view, stages), *_texture_cards(view, stages), *_blend_cards(view, stages)]


def _shape_cards(view: SyntheticView, stages: TextureStages) -> list[StageCard]:
    settings, noise, truth = view.settings, stages.draw.noise, view.truth
    rows, columns = noise.scales[0].tolist()
    points = (rows + 1) * (columns + 1)
    angle = math.degrees(float(noise.angles[0]))
    rotated = stages.blended.noise[0]
    return [
        StageCard(
            "gradients",
            "shape",
            None,
            (text("synthetic.fact.lattice", rows=rows, columns=columns, points=f"{points:,}"),),
            drawing={"lattice": lattice(noise, truth.shape), "arrows": arrows(noise, truth.shape)},
            controls=(
                _scale_control(settings, "scale_x", columns),
                _scale_control(settings, "scale_y", rows),
                control(settings, "gradients", "seed", settings.gradients, unit=str(settings.seed)),
            ),
        ),
        _noise_card("noise", stages.straight, (shape_and_range(stages.straight),)),
        _noise_card(
            "rotation",
            rotated,
            (
                text("synthetic.fact.rotated", degrees=signed(angle, 1)),
                text("synthetic.fact.outside", share=float((rotated == 0).double().mean())),
            ),
            controls=(control(settings, "angle", "range", round(angle, 1), span=(-90, 90, 0.1), unit="°"),),
        ),
        StageCard(
            "threshold",
            "shape",
            _cut(rotated, truth),
            (text("synthetic.fact.above", threshold=signed(stages.threshold), share=truth.mean()),),
            controls=(
                control(settings, "noise_threshold", "range", round(stages.threshold, 2), span=(-0.5, 1.0, 0.01)),
            ),
        ),
        mask_card(view, "shape"),
    ]


def _noise_card(key: str, noise: Tensor, facts: tuple[str, ...], controls: tuple[Control, ...] = ()) -> StageCard:
    return StageCard(
        key, "shape", _noise_indices(noise), facts, scale=NOISE_COLOURS, ends=(-1.0, 1.0), controls=controls
    )  # fmt: skip


def _texture_cards(view: SyntheticView, stages: TextureStages) -> list[StageCard]:
    settings, number = view.settings, int(stages.draw.texture[0])
    source = stages.blended.source[0]
    last = view.sources.count - 1
    cards = [
        StageCard(
            "texture",
            "texture",
            as_picture(source),
            (_name_of(number, settings.textures, view.sources.count), shape_and_range(source)),
            controls=(
                *((_folder_control(view),) if view.sources.folders else ()),
                *((control(settings, "texture", "range", number, span=(0, last, 1)),) if last else ()),
            ),
        )
    ]
    before = source
    for place, (change, after) in enumerate(zip(stages.draw.changes, stages.steps, strict=True), start=1):
        cards.append(_change_card(settings, place, change, before, after))
        before = after
    return cards


def _change_card(
    settings: SyntheticSettings, place: int, change: DrawnAugmentation, before: Tensor, after: Tensor
) -> StageCard:
    name = change.augmentation.name
    moved = float((after - before).abs().mean())
    known = tuple(augmentation.name for augmentation in AUGMENTATIONS)
    labels = tuple(text(f"synthetic.change.{one}.title") for one in known)
    controls = [control(settings, f"change_{place}", "select", name, values=known, labels=labels)]
    if place == len(("change_1", "change_2", "change_3")):
        controls.append(control(settings, "strengths", "seed", settings.strengths, unit=str(settings.seed)))
    return StageCard(
        f"change_{place}",
        "texture",
        as_picture(after),
        (*_strengths(change), text("synthetic.fact.moved", moved=moved), shape_and_range(after)),
        title=text("synthetic.view.change_title", place=place, name=text(f"synthetic.change.{name}.title")),
        sentence=text(f"synthetic.change.{name}.sentence"),
        controls=tuple(controls),
    )


def _blend_cards(view: SyntheticView, stages: TextureStages) -> list[StageCard]:
    settings, truth, sample = view.settings, view.truth, view.sample
    moved = (sample.corrupted - sample.image).abs().mean(dim=0).numpy()
    in_mask = float(moved[truth].mean()) if truth.any() else math.nan
    return [
        StageCard(
            "beta",
            "blend",
            as_picture(stages.mixture),
            (
                text("synthetic.fact.image_share", share=stages.image_share),
                text("synthetic.fact.texture_share", share=stages.texture_share),
                text("synthetic.fact.beta_range", most=MAX_IMAGE_SHARE),
            ),
            controls=(control(settings, "beta", "range", round(stages.image_share, 3), span=(0, 1, 0.01)),),
        ),
        StageCard(
            "blend",
            "blend",
            as_picture(sample.corrupted),
            (
                "x·(1 − M) + β·x·M + (1 − β)·t·M",
                shape_and_range(sample.corrupted),
                text(
                    "synthetic.fact.empty_mask" if math.isnan(in_mask) else "synthetic.fact.moved_inside",
                    **({} if math.isnan(in_mask) else {"moved": in_mask}),
                ),
            ),
        ),
    ]


def mask_card(view: SyntheticView, group: str) -> StageCard:
    """Return the card of the truth."""
    return StageCard(
        "mask", group, np.where(view.truth, 255, 0).astype(np.uint8), (share_of(view.truth),), scale="gray"
    )


def _folder_control(view: SyntheticView) -> Control:
    folders = view.sources.folders
    labels = (text("synthetic.view.built_in"), *folders)
    return control(view.settings, "textures", "select", view.settings.textures, values=("", *folders), labels=labels)


def _scale_control(settings: SyntheticSettings, name: str, value: int) -> Control:
    labels = tuple(f"2{'⁰¹²³⁴⁵'[octave]} = {scale}" for octave, scale in enumerate(SCALES))
    return control(settings, name, "steps", value, values=SCALES, labels=labels)


def _noise_indices(noise: Tensor) -> np.ndarray:
    """Return (H, W) uint8 indices into the noise's colours, which run from −1 to 1."""
    indices: np.ndarray = np.clip((noise.numpy() + 1) * 128, 0, 255).astype(np.uint8)
    return indices


def _cut(noise: Tensor, mask: np.ndarray) -> np.ndarray:
    """Return the noise in its colours, faded where the mask is not."""
    colours = scale_colours(NOISE_COLOURS)[_noise_indices(noise)]
    faded = (_FADED * colours + (1 - _FADED) * _GREY).astype(np.uint8)
    cut: np.ndarray = np.where(mask[..., None], colours, faded)
    return cut


def _strengths(change: DrawnAugmentation) -> tuple[str, ...]:
    """Say what was drawn for one texture, a line for each strength."""
    lines = []
    for strength, drawn in zip(change.augmentation.strengths, change.strengths, strict=True):
        digits = 0 if strength.whole else 1 if strength.name == "degrees" else 2
        values = ", ".join(signed(float(value), digits) for value in drawn.flatten())
        lines.append(text(f"synthetic.strength.{strength.name}", values=values))
    return tuple(lines)


def _name_of(number: int, folder: str, count: int) -> str:
    told = text("synthetic.fact.number", number=number, last=count - 1)
    if folder:
        return told
    pictures = CROPS_PER_PICTURE * len(BUILT_IN)
    if number < pictures:
        return f"{told}: {BUILT_IN[number // CROPS_PER_PICTURE].replace('_', ' ')}"
    kind = _PATTERNS[(number - pictures) % len(_PATTERNS)]
    return f"{told}: {text(f'synthetic.pattern.{kind}')}"
