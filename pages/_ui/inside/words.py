"""What each stage is called and what happens in it, in one sentence. Knows no numbers and no Streamlit."""

from dataclasses import dataclass

RECONSTRUCTIVE, COMPARISON = "1 · Reconstructive network", "2 · What the reconstruction missed"
DISCRIMINATIVE, DECISION = "3 · Discriminative network", "4 · Map, mask, verdict"


@dataclass(frozen=True)
class Words:
    """group: the heading that the stage stands under."""

    group: str
    title: str
    sentence: str


_NAMED = {
    "image": (RECONSTRUCTIVE, "Input x", "The picture at the checkpoint's input size, RGB in 0 … 1."),
    "reconstruction": (
        RECONSTRUCTIVE,
        "Reconstruction x̂",
        "What the first network paints from the bottleneck alone: the picture as if it were good.",
    ),
    "difference": (
        COMPARISON,
        "|x − x̂|",
        "Where picture and reconstruction differ: the map of a detector that has no second network.",
    ),
    "joined": (COMPARISON, "Joined input", "x and x̂ stacked to six channels: what the second network is given."),
    "logits": (
        DISCRIMINATIVE,
        "Two logits",
        "One number for “good” and one for “anomalous” at each pixel, unbounded; shown: anomalous.",
    ),
    "probabilities": (
        DECISION,
        "Softmax",
        "Turns the two logits into probabilities that add up to 1; only the logits' difference counts.",
    ),
    "anomaly_map": (DECISION, "Anomaly map", "The probability of “anomalous” at each pixel, always shown on 0 … 1."),
    "above_threshold": (DECISION, "Threshold", "Pixels strictly above 1 − sensitivity."),
    "opened": (DECISION, "Opening", "What a square of the kernel's size fits into stays; thinner parts are erased."),
    "pred_mask": (DECISION, "Area filter = mask", "Regions below the minimum area are removed. A pixel left means NG."),
    "window_mean": (
        DECISION,
        "21×21 mean",
        "The map averaged over 21×21 pixels: its maximum is the original's image score.",
    ),
}


def words_of(stage: str, *, has_sspcab: bool = False) -> Words:
    """Return a stage's words by its name."""
    if stage in _NAMED:
        return Words(*_NAMED[stage])
    network, segment, block = stage.split(".")
    group = RECONSTRUCTIVE if network == "reconstructive" else DISCRIMINATIVE
    if segment == "encoder":
        return Words(group, f"Encoder {block.removeprefix('block')}", _encoder(network, block, has_sspcab))
    if block.startswith("up"):
        return Words(group, f"Decoder {block}", "Bilinear upsampling doubles both sides; a 3×3 convolution follows.")
    joined = " The encoder's features of the same size come in by the skip." if network == "discriminative" else ""
    return Words(group, f"Decoder {block}", f"Two 3×3 convolutions, each with batch-norm and ReLU.{joined}")


def _encoder(network: str, block: str, has_sspcab: bool) -> str:
    convolutions = "two 3×3 convolutions, each with batch-norm and ReLU"
    if block == "block1":
        return f"At full size: {convolutions}."
    if network == "reconstructive" and block == "block5":
        inside = "an SSPCAB predicts each value from those around it" if has_sspcab else convolutions
        return f"The bottleneck: max-pooling, then {inside}. All that the decoder learns passes here."
    if network == "discriminative" and block == "block6":
        return f"The coarsest view: max-pooling, then {convolutions}."
    return f"Max-pooling halves both sides, then {convolutions}."
