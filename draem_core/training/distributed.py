"""Several processes that train one network together (``torchrun``); alone, a group of one that costs nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from draem_core.methods.draem import Draem

PATIENCE = timedelta(hours=2)  # the others wait while the first process evaluates the test set


@dataclass(frozen=True)
class Distributed:
    """This process's place in the group. The first one alone writes files and reports."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """This is the process that writes and reports."""
        return self.rank == 0

    def wrap(self, model: Draem, some_unused: bool) -> nn.Module:
        """Return the network whose backward pass averages gradients over the group."""
        if self.size == 1:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=devices, find_unused_parameters=some_unused)

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum of each process's ``values``."""
        if self.size > 1:
            values = values.to(self.device)
            distributed.all_reduce(values)
        return values.cpu()

    def barrier(self) -> None:
        """Go on when all have come here."""
        if self.size > 1:
            distributed.barrier()


def torchrun_rank() -> int:
    """Return this process's number under torchrun, 0 when alone."""
    return int(os.environ.get("RANK", "0"))


def torchrun_size() -> int:
    """Return how many processes torchrun has started, 1 when alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def join_distributed(device: torch.device) -> Iterator[Distributed]:
    """Join the group that torchrun has set up, if any; under it, each process takes a GPU of its own."""
    size = torchrun_size()
    if size == 1:
        yield Distributed(device)
        return
    rank = torchrun_rank()
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Distributed(device, rank, size)
    finally:
        distributed.destroy_process_group()
