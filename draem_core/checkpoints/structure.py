"""Named tensors to DRAEM's two networks: which layers a file holds, how wide they are, whether all of them are sound.

Shapes are compared on the meta device, so that nothing is allocated before the claims in a file are known to be true.
Knows no file format and no card.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from draem_core.checkpoints.files import refusal, shorten
from draem_core.checkpoints.reading import Place
from draem_core.formatting import counted
from draem_core.methods.draem.discriminative import DiscriminativeSubNetwork
from draem_core.methods.draem.reconstructive import ReconstructiveSubNetwork
from draem_core.types import Flavour

Network = Literal["reconstructive_subnetwork", "discriminative_subnetwork"]

# what DataParallel, Lightning, torch.compile and FSDP put into layer names; no DRAEM layer is called so
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:module|model|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
# keys that trainers put the weights under, the likeliest in front; others are taken where there is only one
_USUAL_KEYS = ("state_dict", "model_state_dict", "model", "")
_AVERAGED = re.compile(r"(?:^|[._])(?:ema|swa|averaged?)(?:[._]|$)")
# first part of a layer's name → its network, and whose code base calls it so
_PARTS: dict[str, tuple[Network, Flavour]] = {
    "encoder": ("reconstructive_subnetwork", "original"),
    "decoder": ("reconstructive_subnetwork", "original"),
    "encoder_segment": ("discriminative_subnetwork", "original"),
    "decoder_segment": ("discriminative_subnetwork", "original"),
    "reconstructive_subnetwork": ("reconstructive_subnetwork", "anomalib"),
    "discriminative_subnetwork": ("discriminative_subnetwork", "anomalib"),
}
_FIRST_LAYER: dict[Network, str] = {
    "reconstructive_subnetwork": "encoder.block1.0.weight",
    "discriminative_subnetwork": "encoder_segment.block1.0.weight",
}
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_COUNTER = "num_batches_tracked"  # takes no part in inference; old torch did not write it

TRAIN_ON = "use the checkpoint of an earlier epoch, or train again with a lower learning rate"
WHOLE_FILE = "save the whole network's state_dict again, or choose another checkpoint"
OTHER_FILE = "choose a checkpoint of a DRAEM network"
LOOKED_FOR = "looked for encoder.block1 or reconstructive_subnetwork under any prefix and key"


@dataclass(frozen=True, eq=False)
class Half:
    """One of the two networks out of one file. ``layers`` are named as in that sub-network's ``state_dict()``.

    ``naming`` is the code base whose layer names the file uses.
    """

    path: Path
    network: Network
    naming: Flavour
    width: int
    sspcab: bool
    parameters: int
    layers: dict[str, Tensor]

    def weights(self) -> dict[str, Tensor]:
        """Return the layers as float32 copies in memory (counters as int64), all of them finite."""
        try:
            weights = {name: _in_memory(tensor) for name, tensor in self.layers.items()}
        except (MemoryError, RuntimeError):
            remedy = "close other programs, or open it on a machine with more memory"
            raise refusal(self.path, "does not fit into the memory", remedy) from None
        broken = [name for name, tensor in weights.items() if not _is_sound(name, tensor)]
        if broken:
            wrong = f"has values that are NaN, infinite or impossible in {_some(broken)}: its training went astray"
            raise refusal(self.path, wrong, TRAIN_ON)
        return weights


@dataclass(eq=False)
class _TableSource:
    """What lies under one key or prefix: the layers of each network, and whose code base names them so."""

    layers: dict[Network, dict[str, Tensor]] = field(default_factory=dict)
    naming: dict[Network, Flavour] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether a first layer of DRAEM is among them."""
        return any(_FIRST_LAYER[network] in layers for network, layers in self.layers.items())


def halves_in(
    path: Path, tables: Mapping[Place, dict[str, Tensor]], size: int
) -> tuple[dict[Network, Half], tuple[str, ...]]:
    """Return the DRAEM networks, one or two, that a file's tensors make; each is whole and of consistent shapes.

    They may lie under any one key and prefix. Where there are several, the usual key goes before others and present
    weights before averaged ones (EMA, SWA); what was taken then is said in the notes, the second thing returned.

    Args:
        tables: the tensors by name, by the place of their dictionary.
        size: of the file, or of all files, in bytes.

    Raises CheckpointError when there is none, or one with missing, superfluous, misshapen or strangely typed layers.
    """
    sources = _sources(path, tables)
    if not sources:
        names = [".".join((*place, name)) for place, tensors in tables.items() for name in tensors]
        raise refusal(path, f"holds another network than DRAEM, with {_some(names)}; {LOOKED_FOR}", OTHER_FILE)
    taken, notes = _taken(path, sources)
    _check_claims(path, [tensor for source, network in taken for tensor in source.layers[network].values()], size)
    halves = {
        network: _checked_half(path, network, source.naming[network], source.layers[network])
        for source, network in taken
    }
    return halves, notes


def _sources(path: Path, tables: Mapping[Place, dict[str, Tensor]]) -> dict[str, _TableSource]:
    """Sort the layers that are named like DRAEM's by the key and prefix that they lie under, such as "ema.net"."""
    sources: dict[str, _TableSource] = {}
    for place, tensors in tables.items():
        for name, tensor in tensors.items():
            parts = [*place, *_WRAPPERS.sub("", name).split(".")]
            first = next((index for index, part in enumerate(parts) if part in _PARTS), None)
            if first is None:
                continue
            network, naming = _PARTS[parts[first]]
            inner = ".".join(parts[first + (naming == "anomalib") :])
            source = sources.setdefault(".".join(parts[:first]), _TableSource())
            layers = source.layers.setdefault(network, {})
            if inner in layers:
                raise refusal(path, f"holds the layer {shorten(inner)} twice", WHOLE_FILE)
            layers[inner] = tensor
            source.naming[network] = naming
    return {name: source for name, source in sources.items() if source.plain} or sources


def _taken(path: Path, sources: dict[str, _TableSource]) -> tuple[list[tuple[_TableSource, Network]], tuple[str, ...]]:
    """Choose where to take each network from: both from one source if possible, else each from the one that has it."""
    whole = [name for name, source in sources.items() if len(source.layers) == len(_FIRST_LAYER)]
    wanted: list[tuple[list[Network], list[str]]] = [(list(_FIRST_LAYER), whole)]
    if not whole:
        wanted = [([one], [name for name, source in sources.items() if one in source.layers]) for one in _FIRST_LAYER]
    taken: list[tuple[_TableSource, Network]] = []
    notes: list[str] = []
    for networks, names in wanted:
        if not names:
            continue
        best, *others = sorted(names, key=_rank)
        if others and _rank(best) == _rank(others[0]):
            listed = ", ".join(_quoted(name) for name in sorted(names))
            wrong = f"holds {len(names)} networks, under {listed}, and nothing says which one is meant"
            raise refusal(path, wrong, "save the state_dict of the one you want alone")
        if others:
            notes.append(f"The weights under {_quoted(best)} were taken, not those under {_listed(others)}.")
        elif _AVERAGED.search(best):
            notes.append(f"The averaged weights under {_quoted(best)} were taken; there are no others.")
        taken += [(sources[best], network) for network in networks]
    return taken, tuple(notes)


def _rank(source: str) -> tuple[bool, int]:
    first = source.partition(".")[0]
    place = _USUAL_KEYS.index(first) if first in _USUAL_KEYS else len(_USUAL_KEYS)
    return _AVERAGED.search(source) is not None, place


def _quoted(source: str) -> str:
    """Return a key or prefix for a sentence; signs that could mean something to whoever shows it are replaced."""
    return f"'{re.sub(r'[^A-Za-z0-9_.-]', '�', shorten(source, 60))}'" if source else "the top"


def _listed(sources: list[str]) -> str:
    more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
    return ", ".join(_quoted(name) for name in sources[:3]) + more


def _check_claims(path: Path, tensors: list[Tensor], size: int) -> None:
    """Refuse tensors that say they are larger than their file, which a zero stride makes possible."""
    claimed = sum(math.prod(tensor.shape) * tensor.element_size() for tensor in tensors)
    if claimed > size:
        raise refusal(path, "claims layers that are larger than the file itself", WHOLE_FILE)


def _checked_half(path: Path, network: Network, naming: Flavour, layers: dict[str, Tensor]) -> Half:
    first = layers.get(_FIRST_LAYER[network])
    width = max(first.shape[0], 1) if first is not None and first.ndim else 1
    sspcab = any(name.startswith("encoder.block5.masked_conv") for name in layers)
    blueprint = _blueprint(network, width, sspcab)
    expected = blueprint.state_dict()

    missing = [name for name in expected if name not in layers and not name.endswith(_COUNTER)]
    if 2 * len(missing) > len(expected):
        raise refusal(path, f"holds another network than DRAEM, with {_some(layers)}; {LOOKED_FOR}", OTHER_FILE)
    if missing:
        raise refusal(path, f"lacks {_some(missing)}", WHOLE_FILE)
    if extra := [name for name in layers if name not in expected]:
        raise refusal(path, f"has {_some(extra)} that a DRAEM network does not have", OTHER_FILE)
    for name, tensor in layers.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{shorten(tuple(tensor.shape))} instead of {tuple(expected[name].shape)}"
            raise refusal(path, f"has a layer {name} of shape {shapes}, which base width {width} needs", WHOLE_FILE)
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or not _has_known_type(name, tensor):
            wrong = f"has a layer {name} that is no plain float tensor ({tensor.dtype}, {tensor.layout})"
            raise refusal(path, wrong, "save its weights as float32 or half precision")
    counters = {name: torch.zeros((), dtype=torch.int64) for name in expected if name not in layers}
    parameters = sum(parameter.numel() for parameter in blueprint.parameters())
    return Half(path, network, naming, width, sspcab, parameters, layers | counters)


def _blueprint(network: Network, width: int, sspcab: bool) -> nn.Module:
    with torch.device("meta"):
        if network == "reconstructive_subnetwork":
            return ReconstructiveSubNetwork(width, sspcab)
        return DiscriminativeSubNetwork(width)


def _has_known_type(name: str, tensor: Tensor) -> bool:
    return tensor.dtype in _FLOATS or (name.endswith(_COUNTER) and tensor.dtype in (torch.int64, torch.int32))


def _in_memory(tensor: Tensor) -> Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else torch.int64
    return tensor.detach().to(dtype, copy=True, memory_format=torch.contiguous_format)


def _is_sound(name: str, tensor: Tensor) -> bool:
    if not tensor.isfinite().all():
        return False
    return not name.endswith("running_var") or bool((tensor >= 0).all())


def _some(names: Iterable[str], shown: int = 3) -> str:
    """Return "1 layer (a)" or "12 layers (a, b, c, …)"."""
    every = list(names)
    listed = ", ".join(shorten(name) for name in every[:shown]) + (", …" if len(every) > shown else "")
    return f"{counted(len(every), 'layer')} ({listed})"
