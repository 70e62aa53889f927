"""DRAEM Heatmap Explorer's library: checkpoints, inference, masks, metrics, training. Never imports streamlit."""

from draem_core import metrics
from draem_core.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from draem_core.data.images import read_image
from draem_core.errors import CheckpointError, DatasetError, DraemError, ImageError
from draem_core.inference import Predictor
from draem_core.postprocess import PostProcess
from draem_core.types import Card, Prediction
from draem_core.version import __version__

__all__ = [
    "Card",
    "Checkpoint",
    "CheckpointError",
    "DatasetError",
    "DraemError",
    "ImageError",
    "PostProcess",
    "Prediction",
    "Predictor",
    "__version__",
    "load_checkpoint",
    "metrics",
    "read_image",
    "save_checkpoint",
]
