"""The lesson's steps in their order: what each sets the page to. Their words lie in the language files, by ``key``.

Knows no Streamlit and no numbers: those are computed when somebody asks for the answer.
"""

from dataclasses import dataclass
from typing import Literal

from draem_core.synthesis.sample import SampleOverrides
from pages._ui.components.inside_view.payload import Part
from pages._ui.components.inside_view.settings import StageSelection
from pages._ui.components.inside_view.stroke import Stroke
from pages._ui.components.shared.settings import LiveSettings
from pages._ui.components.synthetic_view.settings import SampleSelection, SyntheticSettings

CHECKPOINT, DATASET = "checkpoints/metal.safetensors", "datasets/demo/metal"
GOOD, DEFECT = "test/good/010.png", "test/scratch/001.png"
FAINT_BETA = 0.96  # the image's share; training draws 0 … 0.8


@dataclass(frozen=True)
class InsideStep:
    """A step on the Inside page.

    key: of its words. picture: of the demo dataset. selection: the stage that is opened, the pixel that is followed.
    part: what of the page is scrolled to. stroke: painted on the picture when it has no
    paint yet.
    """

    key: str
    picture: str
    selection: StageSelection
    part: Part = "results"
    stroke: Stroke | None = None

    @property
    def page(self) -> Literal["inside"]:
        return "inside"

    @property
    def rule(self) -> LiveSettings:
        """What makes the mask."""
        return LiveSettings()


@dataclass(frozen=True)
class SyntheticStep:
    """A step on the Synthetic page; ``settings.step`` is the stage that is pointed at."""

    key: str
    settings: SyntheticSettings
    picture: str = GOOD

    @property
    def page(self) -> Literal["synthetic"]:
        return "synthetic"

    @property
    def rule(self) -> LiveSettings:
        """What makes the mask."""
        return self.settings.rule


Step = InsideStep | SyntheticStep


def _synthetic(stage: str, hand: SampleOverrides | None = None) -> SyntheticSettings:
    return SyntheticSettings.joined(LiveSettings(), SampleSelection(step=stage), hand or SampleOverrides())


STEPS: tuple[Step, ...] = (
    InsideStep("good", GOOD, StageSelection("anomaly_map")),
    InsideStep("defect", DEFECT, StageSelection("anomaly_map")),
    InsideStep("reconstruction", DEFECT, StageSelection("reconstruction")),
    InsideStep("difference", "test/corrosion/008.png", StageSelection("difference")),
    InsideStep("softmax", DEFECT, StageSelection("logits", row=179, column=76), part="pixel"),
    InsideStep("mask", DEFECT, StageSelection("pred_mask")),
    InsideStep("verdict", "test/good/007.png", StageSelection("opened"), part="stage"),
    InsideStep(
        "paint",
        "test/good/024.png",
        StageSelection("anomaly_map"),
        part="tools",
        stroke=Stroke("#6e6a66", 0.02, ((0.22, 0.44), (0.27, 0.5), (0.29, 0.58))),
    ),
    SyntheticStep("noise", _synthetic("threshold")),
    SyntheticStep("blend", _synthetic("blend")),
    SyntheticStep("faint", _synthetic("beta", SampleOverrides(beta=FAINT_BETA))),
    InsideStep("limit", "test/corrosion/010.png", StageSelection("anomaly_map")),
    InsideStep("summary", DEFECT, StageSelection("pred_mask")),
)
