"""Which part of the image can reach a cell of a stage: walked back layer by layer, along each axis for itself.

Knows the model's layers, no pictures and no numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from draem_core.inside.stages import stage_layers, stage_name
from draem_core.methods.draem import Draem
from draem_core.methods.draem.sspcab import SSPCAB

Span = tuple[int, int]  # first and last index along an axis
_AS_LOGITS = ("probabilities", "anomaly_map")


@dataclass(frozen=True)
class Box:
    """A rectangle of the image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def receptive_field(model: Draem, stage: str, row: int, column: int, input_size: tuple[int, int]) -> Box:
    """Return the smallest box of the image that holds all pixels which can reach a cell.

    From the reconstruction on, the way through both networks counts. SSPCAB's attention sees the whole image.

    Args:
        model: a checkpoint's, its layers as they were trained.
        stage: the name of a ``Trace``'s stage.
        row, column: of the cell, on the stage's own grid.
        input_size: (H, W) of the image.

    Raises:
        ValueError: there is no such stage, or the cell lies outside.
    """
    spans = []
    for cell, length in zip((row, column), input_size, strict=True):
        axis = _Axis(model, length)
        cells = axis.cells(stage)
        if not 0 <= cell < cells:
            raise ValueError(f"the cell ({row}, {column}) lies outside {stage}, which has {cells} cells along an axis")
        spans.append(axis.back(stage, (cell, cell)))
    (top, bottom), (left, right) = spans
    return Box(top, left, bottom - top + 1, right - left + 1)


class _Axis:
    """One axis of an image of ``length`` pixels, and the way back to it."""

    def __init__(self, model: Draem, length: int) -> None:
        first, second = model.reconstructive_subnetwork, model.discriminative_subnetwork
        self.length = length
        self.paths = {stage_name(path): path for path in stage_layers(model)}
        self.encoders = [_blocks(first.encoder), _blocks(second.encoder_segment)]
        self.decoders = [_blocks(first.decoder), _blocks(second.decoder_segment)]

    def cells(self, stage: str) -> int:
        """Return how many cells a stage has along this axis."""
        if stage in ("image", "difference", "joined"):
            return self.length
        network, is_decoder, place = self._place(stage)
        if not is_decoder:
            return self.length >> place
        bottleneck = self.length >> (len(self.encoders[network]) - 1)
        return bottleneck << sum(_upsamples(block) for block in self.decoders[network][: place + 1])

    def back(self, stage: str, span: Span) -> Span:
        """Return the image's span for a stage's."""
        if stage == "image":
            return span
        if stage in ("difference", "joined"):
            return self._from_joined(span)
        network, is_decoder, place = self._place(stage)
        walked = self._decoder(network, place, span) if is_decoder else self._encoder(network, place, span)
        return walked if network == 0 else self._from_joined(walked)

    def _from_joined(self, span: Span) -> Span:
        """Return the image's span for one of image and reconstruction together."""
        return _hull(span, self._decoder(0, len(self.decoders[0]) - 1, span))

    def _encoder(self, network: int, place: int, span: Span) -> Span:
        """Return the span at a network's input for one at its encoder's block ``place``, counted from 0."""
        for depth in range(place, -1, -1):
            span = _through(self.encoders[network][depth], span, self.length >> depth)
            if depth:  # the pooling before the block
                span = (2 * span[0], 2 * span[1] + 1)
        return span

    def _decoder(self, network: int, place: int, span: Span) -> Span:
        """Return the span at a network's input for one at its decoder's block ``place``, skips included."""
        blocks, deepest = self.decoders[network], len(self.encoders[network]) - 1
        depth = deepest - sum(_upsamples(block) for block in blocks[: place + 1])
        through_skips: Span | None = None
        for index in range(place, -1, -1):
            span = _through(blocks[index], span, self.length >> depth)
            if _upsamples(blocks[index]):
                depth += 1
            elif network == 1 and index and _upsamples(blocks[index - 1]):  # joins what comes up with a skip
                through_skips = _hull(self._encoder(1, depth, span), through_skips)
        return _hull(self._encoder(network, deepest, span), through_skips)

    def _place(self, stage: str) -> tuple[int, bool, int]:
        """Return a stage's network (0 or 1), whether it lies in the decoder, and its number there from 0."""
        name = "logits" if stage in _AS_LOGITS else stage
        if name not in self.paths:
            raise ValueError(f"there is no stage {stage!r} with a receptive field")
        path = self.paths[name]
        network = int(path.startswith("discriminative"))
        is_decoder = ".decoder" in path
        segment = path.rpartition(".")[0]
        return network, is_decoder, [one for one in self.paths.values() if one.startswith(segment)].index(path)


def _blocks(segment: nn.Module) -> Sequence[nn.Module]:
    return [block for block in segment.children() if not isinstance(block, nn.MaxPool2d)]


def _upsamples(block: nn.Module) -> int:
    """Return how often a block doubles its input's size: 0 or 1."""
    return sum(isinstance(layer, nn.Upsample) for layer in block.modules())


def _through(block: nn.Module, span: Span, length: int) -> Span:
    """Return the span at a block's input for one at its output, which has ``length`` cells."""
    if isinstance(block, SSPCAB):
        return 0, length - 1
    for layer in reversed(list(block.children())):
        if isinstance(layer, nn.Conv2d):
            reach = layer.kernel_size[0] // 2
            span = max(0, span[0] - reach), min(length - 1, span[1] + reach)
        elif isinstance(layer, nn.Upsample):  # corners aligned: cell i of 2n lies at i·(n − 1) / (2n − 1)
            coarse = length // 2
            span = span[0] * (coarse - 1) // (length - 1), -(-span[1] * (coarse - 1) // (length - 1))
            length = coarse
    return span


def _hull(first: Span, second: Span | None) -> Span:
    return first if second is None else (min(first[0], second[0]), max(first[1], second[1]))
