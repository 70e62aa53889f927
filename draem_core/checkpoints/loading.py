"""One path in, one checked network and its card out; the only door for weights from outside.

Decides nothing about devices, precision or thresholds.
"""

from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import torch

from draem_core.checkpoints.card import Facts, card_of
from draem_core.checkpoints.files import (
    check_size,
    checkpoint_digest,
    pair_of,
    parts_of,
    refusal,
    size_limit,
    unreadable,
)
from draem_core.checkpoints.reading import RawCheckpoint, read_raw
from draem_core.checkpoints.structure import Half, Network, halves_in
from draem_core.methods.draem import Draem
from draem_core.types import Card


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network ready for inference and what there is to know about it.

    model: float32, eval mode, on the CPU, no gradients.
    files: the weights files, of an original pair (reconstructive, discriminative), or the parts in order.
    """

    model: Draem
    card: Card
    files: tuple[Path, ...]


def load_checkpoint(path: str | Path, *, max_bytes: int | None = None) -> Checkpoint:
    """Open a DRAEM checkpoint of any flavour without being told which.

    Args:
        path: the original's ``.pckl`` (either of the pair), anomalib's ``.ckpt``, a plain state dict (``.pth``,
            ``.pt``) or our ``.safetensors``; of one that is split into parts (``m-00001-of-00002.safetensors``) any.
            A JSON file of the same stem beside it, or beside the first file, overrides entries of the card.
        max_bytes: the largest size, of all weights files together, that is opened; without it the environment's
            DRAEM_MAX_CHECKPOINT_MB, else 4 GiB.

    Raises:
        CheckpointError: whatever is wrong with the file, in a sentence. Nothing in it is executed.
    """
    path = Path(path)
    limit = size_limit() if max_bytes is None else max_bytes
    try:
        return _load(path, limit)
    except OSError as error:
        raise unreadable(path, error) from None


def _load(path: Path, limit: int) -> Checkpoint:
    parts = parts_of(path)
    size = 0
    for part in parts:
        size += check_size(part, limit - size)
    raw = reduce(RawCheckpoint.joined, map(read_raw, parts))
    halves, notes = halves_in(parts[0], raw.tables, size)
    if len(halves) == 1:
        halves |= _other_half(next(iter(halves.values())), limit - size)
    first, second = halves["reconstructive_subnetwork"], halves["discriminative_subnetwork"]

    files = parts if first.path == second.path else (first.path, second.path)
    facts = Facts(
        widths=(first.width, second.width),
        sspcab=first.sspcab,
        parameters=first.parameters + second.parameters,
        digest=checkpoint_digest(files),
    )
    card = card_of(first.path, first.naming, facts, raw, notes)
    return Checkpoint(_assembled(card, first, second), card, files)


def _other_half(half: Half, limit: int) -> dict[Network, Half]:
    """Read the file that belongs to the half of an original pair."""
    wanted: Network = (
        "discriminative_subnetwork" if half.network == "reconstructive_subnetwork" else "reconstructive_subnetwork"
    )
    if half.naming != "original":
        remedy = "save the state_dict of the whole model, both sub-networks together"
        raise refusal(half.path, f"holds only one of DRAEM's two networks, the {wanted} is missing", remedy)
    first, second = pair_of(half.path)
    other = second if half.path == first else first
    if not other.exists():
        kind = half.network.removesuffix("_subnetwork")
        remedy = f"put its partner {other.name} into the folder {half.path.absolute().parent}"
        raise refusal(half.path, f"is only the {kind} half of an original DRAEM checkpoint", remedy)
    size = check_size(other, limit)
    found, _ = halves_in(other, read_raw(other).tables, size)
    if set(found) != {wanted}:
        wrong = f"should hold the {wanted} that {half.path.name} lacks, but holds another"
        raise refusal(other, wrong, "copy both files of the pair again from the same training run")
    return found


def _assembled(card: Card, first: Half, second: Half) -> Draem:
    with torch.device("meta"):
        model = Draem(card.widths, card.sspcab, card.concat_order)
    model.reconstructive_subnetwork.load_state_dict(first.weights(), assign=True)
    model.discriminative_subnetwork.load_state_dict(second.weights(), assign=True)
    return model.eval().requires_grad_(False)
