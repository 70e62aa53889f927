"""The Predictor: the one seam from a picture in numpy, through the network, back to numpy.

Knows nothing of files, thresholds and masks.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from draem_core.checkpoints import Checkpoint
from draem_core.errors import DraemError, NonFiniteError
from draem_core.inference.devices import pick_device
from draem_core.inference.precision import Precision, prepare_network, run_network
from draem_core.inference.resize import resize_picture
from draem_core.methods.draem import Draem
from draem_core.types import Card, Prediction, ScoreRule

SCORE_WINDOW = 21  # pixels, the original's average before the maximum


class Predictor:
    """One checkpoint's network, ready on a device; many threads may share it.

    card: the checkpoint's.
    device: where the network runs.
    precision: float32, bfloat16 or float16, the one really in use.
    precision_note: a sentence for the user on why it is this one.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", precision: Precision = "auto") -> None:
        """Prepare the network and check it against plain float32 (see `precision`); about three forwards.

        Args:
            checkpoint: its ``model`` is float32, in eval mode, on the CPU, and stays as it is.
            device: "auto" (cuda, mps, cpu in this order), "cpu", "cuda", "cuda:0" or "mps".
            precision: "auto", "float32", "bfloat16" or "float16".

        Raises:
            DraemError: no such device or precision here, or the device's memory is too small.
        """
        self.card = checkpoint.card
        self.device = pick_device(device)
        self._lock = threading.RLock()  # a thread that was lent the network may predict with it
        with _translate_errors(self.device):
            prepared = prepare_network(
                checkpoint.model, self.card.input_size, self.device, precision, self.card.normalisation
            )
        self._network = prepared.network
        self.precision = prepared.precision
        self.precision_note = prepared.note

    def predict(self, picture: np.ndarray, name: str = "this picture", *, check_finite: bool = True) -> Prediction:
        """Return what the network says of one picture: (H, W, 3) uint8 RGB of any size.

        Args:
            name: what errors call the picture.
            check_finite: False returns NaN and infinities as they come.

        Raises:
            ValueError: it is no such array.
            NonFiniteError: the logits hold NaN or infinities.
            DraemError: the device's memory ran out.
        """
        image = resize_picture(_checked(picture), self.card.input_size, self.card.resize_filter)
        with self._lock, _translate_errors(self.device):
            reconstruction, logits = self._run(image)
        if check_finite and not logits.isfinite().all():
            raise NonFiniteError(
                f"{self.card.name} gives no finite numbers for {name}: its training has diverged, or "
                f"{self.precision} is too short for it. Pick another checkpoint, or the precision float32."
            )
        anomaly_map = logits.softmax(dim=0)[1]
        return Prediction(
            image=image,
            reconstruction=self._as_picture(reconstruction),
            logits=logits.numpy(),
            anomaly_map=anomaly_map.numpy(),
            image_score=image_score(anomaly_map, self.card.score_rule),
        )

    def predict_batch(self, pictures: Sequence[np.ndarray], *, check_finite: bool = True) -> list[Prediction]:
        """Return `predict` of each picture; sizes may differ.

        One by one, since one picture already fills a processor (eight at once are slower there: their activations
        leave the cache) and since a result then cannot depend on its neighbours in the batch.
        """
        return [self.predict(picture, check_finite=check_finite) for picture in pictures]

    @contextmanager
    def borrow_network(self) -> Iterator[Draem]:
        """Lend the network that `predict` runs, to set hooks on; other threads wait until it is given back.

        It may run in a 16-bit float, with batch-norm folded. Hooks must be gone at the end.
        """
        with self._lock:
            yield self._network

    def _run(self, image: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return (reconstruction (3, H, W), logits (2, H, W)) on the CPU for an RGB image (H, W, 3) in [0, 1]."""
        reconstruction, logits = run_network(self._network, network_input(self.card, image).to(self.device))
        return reconstruction[0].cpu(), logits[0].cpu()

    def _as_picture(self, reconstruction: Tensor) -> np.ndarray:
        """Return a reconstruction (3, H, W) in the image's units: (H, W, 3) RGB, what was normalised turned back."""
        picture = _in_rgb(reconstruction.permute(1, 2, 0).numpy(), self.card)
        return self.card.normalisation.undo(picture) if self.card.normalisation else picture


def network_input(card: Card, image: np.ndarray) -> Tensor:
    """Return what a checkpoint's network is given for an image (H, W, 3) float32 RGB in [0, 1]: (1, 3, H, W) float32.

    It is normalised as the card says, and its colours are in the card's order.
    """
    seen = card.normalisation.apply(image) if card.normalisation else image
    return torch.from_numpy(_in_rgb(seen, card)).permute(2, 0, 1)[None]


def _in_rgb(picture: np.ndarray, card: Card) -> np.ndarray:
    """Turn (H, W, 3) from RGB to the network's colour order, or back: both are the same flip or none."""
    return np.ascontiguousarray(picture[..., ::-1] if card.color_order == "BGR" else picture)


def image_score(anomaly_map: Tensor, rule: ScoreRule) -> float:
    """Return the score in [0, 1] of a map (H, W): its maximum, or the maximum of its 21×21 mean, padding counted."""
    if rule == "max":
        return float(anomaly_map.max())
    means = F.avg_pool2d(anomaly_map[None, None], SCORE_WINDOW, stride=1, padding=SCORE_WINDOW // 2)
    return float(means.max())


def _checked(picture: np.ndarray) -> np.ndarray:
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"A picture must be a numpy array, not {type(picture).__name__}. Use read_image to get one.")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ValueError(
            f"A picture must be RGB uint8 of shape (height, width, 3), not {picture.dtype} of shape {picture.shape}. "
            "read_image gives one from any file."
        )
    return picture


@contextmanager
def _translate_errors(device: torch.device) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DraemError(
            f"The memory of {device} is too small for this network. "
            "Close other programs that use it, or take the device 'cpu'."
        ) from error
