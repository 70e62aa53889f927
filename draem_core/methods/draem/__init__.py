"""The networks: tensors in, tensors out; no disk, no device choice, no thresholds."""

from draem_core.methods.draem.network import Draem

__all__ = ["Draem"]
