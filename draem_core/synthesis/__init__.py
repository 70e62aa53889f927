"""Synthetic anomalies for training: Perlin shapes, texture changes, blending, patches in the wrong place."""

from draem_core.synthesis.anomalies import SyntheticBatch, blend, perlin_masks, synthesise
from draem_core.synthesis.cutpaste import cut_and_paste

__all__ = ["SyntheticBatch", "blend", "cut_and_paste", "perlin_masks", "synthesise"]
