"""The networks: tensors in, tensors out; no disk, no device choice, no thresholds."""

from draem_core.models.draem import Draem

__all__ = ["Draem"]
