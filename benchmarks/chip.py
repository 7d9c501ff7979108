"""P-FGVM against what the machine can do at the most."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from benchmarks.subjects import MODELS, under_attack
from benchmarks.timing import Result, seconds, side_by_side
from pfgvm.attacks import p_fgvm
from pfgvm.attacks.gradient import loss_gradient
from pfgvm.device import keep_memory
from pfgvm.twins import for_attack

# Shares of the limit that binds, on a GPU.
GOALS = {"A": 0.5, "B": 0.6}


def against_the_chip(name: str, device: str) -> Iterator[Result]:
    """P-FGVM's image-iteration against the time that its arithmetic and its memory traffic take at the least."""
    keep_memory()  # as a stage does
    model, images, targets = under_attack(name, device)
    twin = for_attack(model)
    with Work() as work:
        loss_gradient(twin, images, targets)
    rate, copied = _arithmetic_rate(images.device), _copy_rate(images.device)
    limits = {"arithmetic": work.flops / rate, "memory": work.bytes / copied}
    iterations = 5
    tasks = {"ours": lambda: p_fgvm(model, images, targets, step_size=1.0, iterations=iterations, penalty=0.22)}
    unit = 1e-3 * len(images)
    binding = max(limits, key=limits.get)
    yield Result(
        row=f"P-FGVM on {name}, {device}, against the chip",
        what=f"{len(images)} images of 178 x 218; {MODELS[name]}",
        unit="ms an image-iteration",
        ours=side_by_side(tasks, 5, unit * iterations)["ours"],
        others={f"{binding} limit": [limits[binding] / unit]},
        goal=GOALS[name] if device == "cuda" else None,
        checks={
            "GFLOP an image-iteration": work.flops / len(images) / 1e9,
            "measured GFLOP/s": rate / 1e9,
            "MB read and written by its operations, an image-iteration": work.bytes / len(images) / 1e6,
            "measured copy rate, GB/s": copied / 1e9,
        },
    )


class Work(TorchDispatchMode):
    """What operations do: products and sums of convolutions and matrix products, and bytes read and written.

    Views move nothing; of the rest, this is what operations that are not fused cannot do without.
    """

    flops = bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function.overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        if not function.is_view:
            values = tree_leaves((args, kwargs, result))
            self.bytes += sum(value.numel() * value.element_size() for value in values if torch.is_tensor(value))
        return result


@torch.no_grad()
def _arithmetic_rate(device: torch.device) -> float:
    """FLOP/s in float32 of the faster of a large matrix product and a large convolution."""
    size = 8192 if device.type == "cuda" else 2048
    left = torch.rand(size, size, device=device)
    layer = nn.Conv2d(256, 256, 3, padding=1).to(device, memory_format=torch.channels_last)
    maps = torch.rand(16, 256, 54, 44, device=device).contiguous(memory_format=torch.channels_last)
    product = min(seconds(lambda: left @ left) for _ in range(5))
    convolution = min(seconds(lambda: layer(maps)) for _ in range(5))
    return max(2 * size**3 / product, 2 * maps.numel() * 256 * 9 / convolution)


def _copy_rate(device: torch.device) -> float:
    """Bytes read and written a second by a copy of half a gigabyte."""
    source = torch.ones(2**27, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / min(seconds(lambda: target.copy_(source)) for _ in range(5))
