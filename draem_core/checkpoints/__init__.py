"""Checkpoints: open any DRAEM file safely, write ours.

Nothing in a file is ever executed. The packages' modules, in the order a file passes them: ``files`` (paths and sizes),
``reading`` (bytes to named tensors), ``structure`` (do the tensors make DRAEM?), ``card`` (what the weights alone do
not say), ``loading`` and ``writing``. No device choice here, no images, no thresholds.
"""

from draem_core.checkpoints.files import MAX_CHECKPOINT_BYTES, checkpoint_digest, list_checkpoints
from draem_core.checkpoints.loading import Checkpoint, load_checkpoint
from draem_core.checkpoints.writing import save_checkpoint

__all__ = [
    "MAX_CHECKPOINT_BYTES",
    "Checkpoint",
    "checkpoint_digest",
    "list_checkpoints",
    "load_checkpoint",
    "save_checkpoint",
]
