"""Where the sliders that make a mask stop, as the payload that each component with such sliders is sent (stops.js)."""

import numpy as np

from draem_core.evaluation.settings_grid import EVEN_STOPS, LOGIT_SPAN, LOGIT_STOPS, MIN_AREAS
from draem_core.sweep import KERNEL_SIZES
from pages._ui.components.shared.payload import pack

SLIDERS = pack(
    {"logitSpan": LOGIT_SPAN},
    {
        "kernelSizes": np.array(KERNEL_SIZES, np.int32),
        "minAreas": np.array(MIN_AREAS, np.int32),
        "evenStops": EVEN_STOPS,
        "logitStops": LOGIT_STOPS,
    },
)
