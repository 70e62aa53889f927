"""How each layer fares: spread of its weights, size of its gradient, share of its channels that still answer.

A layer whose weights shrink, whose gradient vanishes or whose channels are silent is dying; no loss shows it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LAYER_COLUMNS = ("epoch", "layer", "std", "gradient_norm", "live_share")


def gradient_norms(model: nn.Module) -> dict[str, Tensor]:
    """Return the 2-norm of each parameter's gradient, scalar tensors by name; parameters without one are left out."""
    named = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return dict(zip(named, torch._foreach_norm(list(named.values())), strict=True))


def norm_of(norms: Mapping[str, Tensor]) -> Tensor:
    """Return the 2-norm over all parameters together, a scalar, from each one's."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(list(norms.values())))
    return norm


def layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Return the layers that have a kernel, by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}


def weight_spread(model: nn.Module) -> dict[str, float]:
    """Return the standard deviation of each layer's kernel."""
    found = layers(model)
    return dict(
        zip(found, torch.stack([layer.weight.detach().std() for layer in found.values()]).tolist(), strict=True)
    )


@contextmanager
def counting_live_channels(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Note, while the block lasts, which channels of each layer are ever above 0 behind its ReLU.

    Gives a dict that fills: layer name → (C,) bool. Layers without a ReLU of their own are not in it.
    """
    live: dict[str, Tensor] = {}
    hooks = []
    for name, block in model.named_modules():
        if not isinstance(block, nn.Sequential):
            continue
        for index, layer in enumerate(block):
            if isinstance(layer, nn.ReLU) and index >= 2:
                hooks.append(layer.register_forward_hook(_noting(f"{name}.{index - 2}", live)))  # conv, norm, ReLU
    try:
        yield live
    finally:
        for hook in hooks:
            hook.remove()


def first_broken(model: nn.Module) -> str | None:
    """Return the name of the first parameter or buffer that holds NaN or infinity, or None."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return name
    return None


def _noting(layer: str, live: dict[str, Tensor]) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
    def note(_: nn.Module, __: tuple[Tensor], output: Tensor) -> None:
        above = output.detach().amax(dim=(0, 2, 3)) > 0
        live[layer] = live[layer] | above if layer in live else above

    return note
