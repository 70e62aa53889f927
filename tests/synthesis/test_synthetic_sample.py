"""One sample with its stages: training's own numbers, bit for bit, and what a hand changes and leaves alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from draem_core.synthesis import blend, synthesise
from draem_core.synthesis.augment import AUGMENTATIONS
from draem_core.synthesis.random_params import CLEAN_SHARE, MAX_IMAGE_SHARE, draw_batch
from draem_core.synthesis.sample import ROTATE_SHARE, SampleOverrides, SyntheticSample, make_sample, mask_shares
from draem_core.training.config import TrainConfig

SIZE = (48, 64)
IMAGE = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1))
TEXTURES = torch.randint(0, 256, (7, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
SEEDS = st.integers(0, 2**31 - 1)


def anomalous(seed: int, overrides: SampleOverrides | None = None, kind: str = "texture") -> SyntheticSample:
    """A sample that is painted whatever its coin says."""
    values = vars(overrides) if overrides else {}
    return make_sample(IMAGE, TEXTURES, seed, kind, SampleOverrides(**{**values, "coin": "painted"}))


@pytest.mark.parametrize("kind", ["texture", "cutpaste"])
@pytest.mark.parametrize("seed", range(30))
def test_a_sample_is_what_training_makes_of_the_seed(kind: str, seed: int) -> None:
    batch = synthesise(
        IMAGE[None],
        TEXTURES,
        torch.Generator().manual_seed(seed),
        rotate_share=ROTATE_SHARE,
        cutpaste_share=float(kind == "cutpaste"),
    )
    sample = make_sample(IMAGE, TEXTURES, seed, kind)
    assert torch.equal(sample.image, batch.image[0])
    assert torch.equal(sample.corrupted, batch.corrupted[0])
    assert torch.equal(sample.mask, batch.anomaly_mask[0, 0] > 0)
    assert sample.is_clean == (sample.coin < 0.5)


def test_shares_are_those_that_training_takes_by_default() -> None:
    defaults = {name: field.default for name, field in TrainConfig.model_fields.items()}
    assert defaults["rotate_share"] == ROTATE_SHARE
    assert defaults["clean_share"] == CLEAN_SHARE
    assert defaults["max_image_share"] == MAX_IMAGE_SHARE


def test_all_kinds_of_samples_were_among_them() -> None:
    samples = [make_sample(IMAGE, TEXTURES, seed) for seed in range(30)]
    assert 5 < sum(sample.is_clean for sample in samples) < 25
    assert any(sample.turn for sample in samples)
    assert sum(bool(sample.turn) for sample in samples) < 15


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_stages_follow_from_one_another(seed: int) -> None:
    """Each stage recomputed from those before it, by hand."""
    sample = anomalous(seed)
    stages = sample.texture
    assert stages is not None
    assert torch.equal(sample.mask, stages.blended.noise[0] > 0.5)
    assert len(stages.steps) == len(stages.draw.changes) == 3
    texture = stages.blended.source
    for change, step in zip(stages.draw.changes, stages.steps, strict=True):
        texture = change.augmentation.function(texture, *change.strengths)
        assert torch.equal(texture[0], step)
    assert torch.equal(stages.blended.texture[0], stages.steps[-1])
    beta = stages.image_share
    mixture = beta * sample.image + (1 - beta) * stages.steps[-1]
    torch.testing.assert_close(stages.mixture, mixture)
    torch.testing.assert_close(sample.corrupted, torch.where(sample.mask, mixture, sample.image))


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.floats(0, 1, width=32) | st.none())
def test_both_names_of_beta_add_up_to_one(seed: int, beta: float | None) -> None:
    stages = anomalous(seed, SampleOverrides(beta=beta)).texture
    assert stages is not None
    assert stages.image_share + stages.texture_share == pytest.approx(1, abs=1e-12)
    assert 0 <= stages.image_share <= (0.8 if beta is None else 1)
    if beta is not None:
        assert stages.image_share == pytest.approx(beta)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_blend_formula_by_hand(image: float, texture: float, beta: float, is_masked: bool) -> None:
    def one(value: float) -> torch.Tensor:
        return torch.full((1, 1, 1, 1), value, dtype=torch.float64)

    found = float(blend(one(image), one(texture), one(float(is_masked)), one(beta)))
    assert found == pytest.approx(beta * image + (1 - beta) * texture if is_masked else image)


@settings(deadline=None, max_examples=15)
@given(SEEDS)
def test_a_hand_moves_what_it_sets_and_nothing_before_it(seed: int) -> None:
    free = anomalous(seed).texture
    assert free is not None
    held = anomalous(seed, SampleOverrides(beta=0.25)).texture
    assert held is not None
    assert torch.equal(held.blended.mask, free.blended.mask)
    assert torch.equal(held.blended.texture, free.blended.texture)
    for overrides in (
        SampleOverrides(scale_x=8, scale_y=2),
        SampleOverrides(gradients=5),
        SampleOverrides(angle=33.0),
        SampleOverrides(noise_threshold=0.1),
    ):
        other = anomalous(seed, overrides).texture
        assert other is not None
        assert torch.equal(other.blended.texture, free.blended.texture)
        assert other.image_share == free.image_share
    wide = anomalous(seed, SampleOverrides(noise_threshold=0.1)).texture
    assert wide is not None
    assert torch.equal(wide.blended.noise, free.blended.noise)
    assert (wide.blended.mask >= free.blended.mask).all()


def test_scales_and_angle_by_hand() -> None:
    stages = anomalous(3, SampleOverrides(scale_y=16, scale_x=2, angle=90.0)).texture
    assert stages is not None
    assert stages.draw.noise.scales.tolist() == [[16, 2]]
    assert stages.draw.noise.side == 17
    assert float(stages.draw.noise.angles) == pytest.approx(math.pi / 2)
    assert torch.equal(anomalous(3, SampleOverrides(angle=0.0)).texture.blended.noise[0], anomalous(3).texture.straight)  # type: ignore[union-attr]


def test_changes_by_hand_take_their_place_and_leave_the_others_alone() -> None:
    free, held = anomalous(5).texture, anomalous(5, SampleOverrides(change_2="invert")).texture
    assert free is not None
    assert held is not None
    assert held.draw.changes[1].augmentation.name == "invert"
    assert torch.equal(held.steps[0], free.steps[0])
    assert torch.equal(held.steps[1], 1 - free.steps[0])
    assert held.draw.changes[2].augmentation is free.draw.changes[2].augmentation
    assert held.draw.changes[0].strengths == free.draw.changes[0].strengths
    one, same, other = (anomalous(5, SampleOverrides(change_1="gamma", strengths=seed)).texture for seed in (7, 7, 8))
    assert torch.equal(one.steps[2], same.steps[2])  # type: ignore[union-attr]
    assert not torch.equal(one.steps[0], other.steps[0])  # type: ignore[union-attr]


def test_texture_and_turn_by_hand() -> None:
    stages = anomalous(5, SampleOverrides(texture=4)).texture
    assert stages is not None
    assert torch.equal(stages.blended.source[0], TEXTURES[4].float() / 255)
    last = anomalous(5, SampleOverrides(texture=10_000)).texture
    assert last is not None
    assert torch.equal(last.blended.source[0], TEXTURES[-1].float() / 255)
    upright = anomalous(3, SampleOverrides(turn=0.0))
    assert torch.equal(upright.image, IMAGE)
    assert upright.turn == 0
    assert anomalous(3, SampleOverrides(turn=-30.0)).turn == pytest.approx(-30)
    assert not torch.equal(anomalous(3, SampleOverrides(turn=-30.0)).image, IMAGE)


def test_a_piece_by_hand_lies_where_it_is_put() -> None:
    overrides = SampleOverrides(
        piece_height=10, piece_width=20, piece_turn=0.0, from_row=10, from_column=20, to_row=30, to_column=40, turn=0.0,
        brightness=1.0,
    )  # fmt: skip
    sample = anomalous(5, overrides, "cutpaste")
    stages = sample.patch
    assert stages is not None
    rows, columns = sample.mask.any(dim=1).nonzero().flatten(), sample.mask.any(dim=0).nonzero().flatten()
    assert (int(rows[0]), int(rows[-1])) == (25, 35)  # the pixels whose centres lie within 5 of row 30
    assert (int(columns[0]), int(columns[-1])) == (30, 50)
    assert torch.equal(stages.source_mask.roll((20, 20), (0, 1)), sample.mask)
    expected = (IMAGE.roll((20, 20), (1, 2)) * stages.draw.colours[0]).clamp(0, 1)
    torch.testing.assert_close(sample.corrupted[:, sample.mask], expected[:, sample.mask])
    assert torch.equal(sample.corrupted[:, ~sample.mask], IMAGE[:, ~sample.mask])


def test_a_coin_by_hand_changes_nothing_else() -> None:
    drawn = next(seed for seed in range(20) if not make_sample(IMAGE, TEXTURES, seed).is_clean)
    assert torch.equal(anomalous(drawn).corrupted, make_sample(IMAGE, TEXTURES, drawn).corrupted)
    clean = make_sample(IMAGE, TEXTURES, drawn, overrides=SampleOverrides(coin="clean"))
    assert clean.is_clean
    assert torch.equal(clean.corrupted, clean.image)
    assert not clean.mask.any()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"scale_x": 3}, "scale_x is 3; it must be one of 1, 2, 4"),
        ({"beta": 1.5}, "beta is 1.5; it must lie between 0 and 1"),
        ({"beta": math.nan}, "beta is nan"),
        ({"change_1": "nonsense"}, "change_1 is 'nonsense'"),
        ({"coin": "edge"}, "coin is 'edge'"),
        ({"gradients": -1}, "gradients is -1"),
    ],
)
def test_what_no_hand_can_set_is_refused(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SampleOverrides(**wrong)


def test_strengths_stay_within_their_ends() -> None:
    generator = torch.Generator().manual_seed(0)
    for augmentation in AUGMENTATIONS:
        for strength, drawn in zip(augmentation.strengths, augmentation.draw(500, generator), strict=True):
            assert drawn.shape == (500, strength.channels, 1, 1)
            assert strength.low <= drawn.min()
            assert drawn.max() <= strength.high
            assert drawn.max() - drawn.min() > 0.9 * (strength.high - strength.low)


def test_drawing_a_batch_touches_no_picture_and_repeats() -> None:
    first, second = (
        draw_batch(9, SIZE, 7, torch.Generator().manual_seed(4), rotate_share=0.5, cutpaste_share=0.5) for _ in range(2)
    )
    assert torch.equal(first.anomalous, (first.anomaly_draws >= 0.5).nonzero().flatten())
    assert torch.equal(first.texture.noise.directions, second.texture.noise.directions)  # type: ignore[union-attr]
    assert set(first.pasted.tolist()) <= set(first.anomalous.tolist())
    assert len(first.patches.angle) == len(first.pasted)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["texture", "cutpaste"])
def test_areas_are_exact_shares_of_pixels(kind: str) -> None:
    shares = mask_shares(40, SIZE, kind)
    counts = shares * SIZE[0] * SIZE[1]
    assert torch.equal(counts, counts.round())
    assert 0 < shares.median() < 0.3
    assert torch.equal(shares, mask_shares(40, SIZE, kind))
