"""Synthetic anomalies for training: Perlin shapes, texture changes, blending."""

from draem_core.synthesis.anomalies import SyntheticBatch, blend, perlin_masks, synthesise

__all__ = ["SyntheticBatch", "blend", "perlin_masks", "synthesise"]
