"""Flips and the order of errors on images that a reader can judge by eye."""

import numpy as np
import pytest

from draem_core.flips import flips, most_wrong


def test_flips_by_hand():
    saved = np.array([True, True, False, False, True, False])
    present = np.array([True, False, True, False, False, True])
    found = flips(saved, present, [1, 1, 1, 0, 0, None])
    assert found.newly_flagged.tolist() == [2, 5]
    assert found.newly_passed.tolist() == [1, 4]
    assert found.mended.tolist() == [2, 4]  # a defect now found, a good one no longer flagged
    assert found.broken.tolist() == [1]  # a defect now missed; the unlabelled one is neither


def test_the_same_verdict_flips_nothing():
    verdict = np.array([True, False])
    found = flips(verdict, verdict, np.array([True, False]))
    assert not any(part.size for part in vars(found).values())


def test_most_wrong_by_hand():
    peaks = np.array([0.95, 0.25, 0.625, 0.125, -np.inf, 0.99], np.float32)
    # The erased defect, one missed by 0.25, a false alarm by 0.125, a good one right by 0.375, a defect found by 0.45.
    assert most_wrong(peaks, [1, 1, 0, 0, 1, None], 0.5).tolist() == [4, 1, 2, 3, 0, 5]
    assert most_wrong(np.array([0.7, 0.7]), [0, 0], 0.5).tolist() == [0, 1]


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one length"):
        flips(np.ones(2, bool), np.ones(2, bool), [1])
    with pytest.raises(ValueError, match="one length"):
        most_wrong(np.ones(2), [1], 0.5)
