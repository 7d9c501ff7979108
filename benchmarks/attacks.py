"""The attacks: I-FGSM against four attack libraries, and P-FGVM against what the machine can do."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.faces import PERSONS, SIZE, bundled
from benchmarks.peers import COMPARABLE, PEERS
from benchmarks.timing import Result, seconds, side_by_side
from pfgvm.attacks import i_fgsm, p_fgvm
from pfgvm.attacks.gradient import loss_gradient
from pfgvm.metrics import l2
from pfgvm.models import model_a, model_b
from pfgvm.training import Examples, train
from pfgvm.twins import for_attack

# Table 2
EPSILON, ITERATIONS = 0.026, 20
BATCH = {"A": 16, "B": 4}
EPOCHS = 15
GOALS = {("A", "cpu"): 2.0, ("B", "cpu"): 1.3, ("A", "cuda"): 2.0, ("B", "cuda"): 2.0}


def against_libraries(name: str, device: str) -> Iterator[Result]:
    """I-FGSM with Table 2's ε and N on Model `name`; the time of one image-iteration."""
    model, images, targets = _prepared(name, torch.device(device))

    def attack(by: Callable) -> Callable[[], Tensor]:
        return lambda: by(model, images, targets, EPSILON, ITERATIONS).detach().to(images.device)

    tasks = {"ours": attack(_ours)} | {peer: attack(by) for peer, by in PEERS.items()}
    times = side_by_side(tasks, 3, 1e-3 * len(images) * ITERATIONS)
    yield Result(
        row=f"I-FGSM on {name}, {device}",
        what=f"{len(images)} images of 178 x 218, ε {EPSILON}, N {ITERATIONS}"
        + (", VGG-16 with random weights" if name == "B" else f", trained for {EPOCHS} epochs on 240 bundled faces"),
        unit="ms an image-iteration",
        ours=times.pop("ours"),
        others=times,
        goal=GOALS[name, device],
        checks=_agreement(model, images, targets, tasks),
    )


def against_the_chip(name: str, device: str) -> Iterator[Result]:
    """P-FGVM's image-iteration against the time that its arithmetic and its memory traffic take at the least."""
    model, images, targets = _prepared(name, torch.device(device))
    twin = for_attack(model)
    with FlopCounterMode(display=False) as flops, _Traffic() as traffic:
        loss_gradient(twin, images, targets)
    rate, copied = _arithmetic_rate(images.device), _copy_rate(images.device)
    limits = {"arithmetic": flops.get_total_flops() / rate, "memory": traffic.bytes / copied}
    iterations = 5
    tasks = {"ours": lambda: p_fgvm(model, images, targets, step_size=1.0, iterations=iterations, penalty=0.22)}
    unit = 1e-3 * len(images)
    binding = max(limits, key=limits.get)
    yield Result(
        row=f"P-FGVM on {name}, {device}, against the chip",
        what=f"{len(images)} images of 178 x 218; the limit that binds: {binding}",
        unit="ms an image-iteration",
        ours=side_by_side(tasks, 5, unit * iterations)["ours"],
        others={f"{binding} limit": [limits[binding] / unit]},
        goal={"A": 0.5, "B": 0.6}[name] if device == "cuda" else None,
        checks={
            "GFLOP an image-iteration": flops.get_total_flops() / len(images) / 1e9,
            "measured GFLOP/s": rate / 1e9,
            "MB read and written by its operations, an image-iteration": traffic.bytes / len(images) / 1e6,
            "measured copy rate, GB/s": copied / 1e9,
        },
    )


def _ours(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    return i_fgsm(model, images, targets, epsilon=epsilon, iterations=iterations)


def _prepared(name: str, device: torch.device) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    pixels, classes = bundled(240)
    if name == "A":
        model, faces = model_a(PERSONS, SIZE), Examples(pixels, classes)
        settings = {"learning_rate": 0.0001, "batch_size": 16, "seed": 0, "checkpoint": "last", "device": device}
        train(model, faces, faces, epochs=EPOCHS, **settings)
    else:
        model = model_b(PERSONS, SIZE, "vgg_face")
    # As a user's model lies in memory, whoever trained it.
    model = model.eval().to(device, memory_format=torch.contiguous_format)
    count = BATCH[name] if device.type == "cpu" else 64
    images, targets = pixels[:count].float() / 255, (classes[:count] + 1) % PERSONS
    return model, images.to(device), targets.to(device)


@torch.no_grad()
def _agreement(
    model: nn.Module, images: Tensor, targets: Tensor, tasks: dict[str, Callable[[], Tensor]]
) -> dict[str, float]:
    found = {name: task() for name, task in tasks.items()}
    reached = {name: (model(result).argmax(1) == targets).double().mean().item() for name, result in found.items()}
    size = {name: l2(result.cpu(), images.cpu()).mean().item() for name, result in found.items()}
    checks = {}
    for peer in COMPARABLE:
        close = ((found["ours"] - found[peer]).abs() < 1e-5).double().mean().item()
        checks[f"pixels within 1e-5 of {peer}"] = close
        checks[f"L2 over that of {peer}, less 1"] = size["ours"] / size[peer] - 1
        checks[f"share that reaches its target, less that of {peer}"] = reached["ours"] - reached[peer]
    return checks


class _Traffic(TorchDispatchMode):
    """Bytes that every operation reads and writes, views aside: what unfused operations cannot do without."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
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
