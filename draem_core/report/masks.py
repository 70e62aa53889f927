"""Masks as files: one PNG, and a ZIP of many with the table that says which is whose.

Makes one mask at a time, so a dataset's need not fit into memory.
"""

import numpy as np

from draem_core.data.images import encode_png


def mask_png(mask: np.ndarray) -> bytes:
    """Return a mask (H, W) bool as a grey PNG: 255 where flagged, else 0."""
    return encode_png(mask.astype(np.uint8) * 255)
