"""What each stage is called and what happens in it, in one sentence, in the reader's language. Knows no numbers."""

from dataclasses import dataclass

from pages._ui.texts import text

_GROUPS = {
    "image": "reconstructive",
    "reconstruction": "reconstructive",
    "difference": "comparison",
    "joined": "comparison",
    "logits": "discriminative",
    "probabilities": "decision",
    "anomaly_map": "decision",
    "above_threshold": "decision",
    "opened": "decision",
    "pred_mask": "decision",
    "window_mean": "decision",
}


@dataclass(frozen=True)
class Words:
    """group: the heading that the stage stands under."""

    group: str
    title: str
    sentence: str


def words_of(stage: str, *, has_sspcab: bool = False) -> Words:
    """Return a stage's words by its name."""
    if stage in _GROUPS:
        group = text(f"inside.group.{_GROUPS[stage]}")
        return Words(group, text(f"inside.stage.{stage}.title"), text(f"inside.stage.{stage}.sentence"))
    network, segment, block = stage.split(".")
    group = text(f"inside.group.{network}")
    if segment == "encoder":
        title = text("inside.block.encoder", block=block.removeprefix("block"))
        return Words(group, title, _encoder(network, block, has_sspcab))
    if block.startswith("up"):
        sentence = text("inside.block.upsampling")
    else:
        sentence = text("inside.block.decoding_with_skip" if network == "discriminative" else "inside.block.decoding")
    return Words(group, text("inside.block.decoder", block=block), sentence)


def _encoder(network: str, block: str, has_sspcab: bool) -> str:
    content = text("inside.block.convolutions")
    if block == "block1":
        return text("inside.block.first", content=content)
    if network == "reconstructive" and block == "block5":
        return text("inside.block.bottleneck", content=text("inside.block.sspcab") if has_sspcab else content)
    if network == "discriminative" and block == "block6":
        return text("inside.block.coarsest", content=content)
    return text("inside.block.middle", content=content)
