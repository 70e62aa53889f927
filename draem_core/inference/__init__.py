"""From a picture to a prediction: resize, device, precision and the Predictor, the one numpy → tensor → numpy seam."""

from draem_core.inference.predictor import SCORE_WINDOW, Predictor, image_score, network_input

__all__ = ["SCORE_WINDOW", "Predictor", "image_score", "network_input"]
