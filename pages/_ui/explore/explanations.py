"""Words beside the numbers: how to read the panels, and what a calibrated checkpoint's values mean."""

import streamlit as st

from draem_core.evaluation.calibration import normalised_image, normalised_pixel
from draem_core.types import Card, Prediction
from pages._ui.components.viewer import ViewerSettings

_HOW_TO_READ = """
1. **Original**: your picture. DRAEM sees it at the checkpoint's input size; everything is shown on its own pixels.
2. **Reconstruction**: the reconstructive network redraws the picture as if it were good. A defect should be gone here.
3. **Anomaly map**: the discriminative network compares the two and gives each pixel a probability of being anomalous,
   on a fixed scale from 0 to 1. It is never stretched, so a good part stays dark.
4. **Mask**: the map above the **threshold = 1 − sensitivity**, then **opened** (what a square of *kernel size* does not
   fit into is erased), then regions below the **minimum area** are removed.
5. **Overlay**: the map on the picture, for people; no number is computed from it.

**NG** means that the mask holds at least one pixel. The **image score** does not depend on the sliders.
F1, precision, recall and IoU compare this mask with the ground truth pixel by pixel; AUROC rates the map over all
thresholds at once. A dash means undefined, and its tooltip says why.
"""


def render_how_to_read() -> None:
    """Draw the explanation, folded."""
    with st.expander("How to read this page", icon=":material/help:"):
        st.markdown(_HOW_TO_READ)


def render_normalised_values(card: Card, prediction: Prediction, settings: ViewerSettings) -> None:
    """For a calibrated checkpoint, name raw and normalised values side by side."""
    if card.calibration is None:
        return
    threshold = float(settings.threshold)
    pixel = normalised_pixel(threshold, card.calibration)
    image = normalised_image(prediction.image_score, card.calibration)
    st.caption(
        f"anomalib's calibration: pixel threshold raw {threshold:.4f} = normalised {_shown(pixel)}; "
        f"image score raw {prediction.image_score:.4f} = normalised {_shown(image)}. "
        "The sliders work on raw values."
    )


def _shown(value: float | None) -> str:
    return "undefined (no range in the file)" if value is None else f"{value:.4f}"
