"""anomalib's normalised values: raw scores on a scale where the checkpoint's own threshold is 0.5."""

from draem_core.types import Calibration


def normalise(value: float, threshold: float, low: float, high: float) -> float:
    """Return clamp((value − threshold) / (high − low) + 0.5, 0, 1), as anomalib's post-processor does."""
    return min(1.0, max(0.0, (value - threshold) / (high - low) + 0.5))


def normalised_pixel(value: float, calibration: Calibration) -> float | None:
    """Return a raw map value on the normalised scale; None where the checkpoint is not calibrated for pixels."""
    return _normalised(value, calibration.pixel_threshold, calibration.pixel_min, calibration.pixel_max)


def normalised_image(value: float, calibration: Calibration) -> float | None:
    """Return a raw image score on the normalised scale; None where the checkpoint is not calibrated for images."""
    return _normalised(value, calibration.image_threshold, calibration.image_min, calibration.image_max)


def _normalised(value: float, threshold: float | None, low: float | None, high: float | None) -> float | None:
    if threshold is None or low is None or high is None or high <= low:
        return None
    return normalise(value, threshold, low, high)
