"""Training of a target model (Table 4), with the paper's Keras conventions."""

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pfgvm import seeding

# Normalisation of 8-bit images in `LabelledData.batch`: (x − min) / (max − min) over their value range.
NORMALIZATION = "MinMax"


@dataclass(frozen=True)
class LabelledData:
    """Model inputs, (n, …) on the CPU (images as uint8 in 0-255), and their classes, (n,)."""

    inputs: Tensor
    classes: Tensor

    def batch(self, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Inputs and classes at `index` on `device`; images as floats in [0, 1]."""
        inputs = self.inputs[index].to(device)
        if inputs.dtype == torch.uint8:
            inputs = (inputs.float() / 255).contiguous(memory_format=torch.channels_last)
        return inputs, self.classes[index].to(device)


@dataclass(frozen=True)
class Epoch:
    """One row of the learning curves. Training values are running means (batch statistics, dropout on)."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class Checkpoint:
    """State of training after an epoch, sufficient to resume with bit-identical results.

    best: weights of the best epoch so far, if training returns the best epoch.
    """

    history: list[Epoch]
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    best: dict[str, Tensor] | None


@dataclass(frozen=True)
class Trained:
    """Result of training: learning curves, the epoch of the final weights, and the names of optimiser and loss."""

    history: list[Epoch]
    epoch_used: int
    optimization: str
    loss: str


def train(
    model: nn.Module,
    training: LabelledData,
    validation: LabelledData,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    checkpoint: str,
    device: torch.device,
    start: Checkpoint | None = None,
    keep: Callable[[Checkpoint], None] = lambda checkpoint: None,
    progress: Callable[[Iterator[int]], Iterator[int]] = iter,
) -> Trained:
    """Train `model` in place with Adam on the cross-entropy (Table 4); it ends in eval mode on `device`.

    L2 regularisers of layers (`layer.l2`, Table 1) are added to the loss as in Keras: their gradient 2·l2·w is the
    coupled weight decay of Adam. `seed` determines batch order and dropout per epoch; the global random state is
    restored.
    checkpoint: `last`, or `best`: the epoch of the highest validation accuracy, then of the lowest validation loss.
    start: checkpoint of an interrupted run with the same arguments; the result equals that of an uninterrupted run.
    keep: called with a Checkpoint after each epoch, which is valid until it returns.
    progress: wraps the iterator over the remaining epochs, for a progress bar.
    """
    # Convolutions are faster with the channels innermost.
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
    fused = device.type in ("cpu", "cuda")
    optimizer = torch.optim.Adam(_parameter_groups(model), lr=learning_rate, eps=1e-7, fused=fused)
    history: list[Epoch] = []
    best_weights = None
    if start is not None:
        model.load_state_dict(start.model)
        optimizer.load_state_dict(start.optimizer)
        history, best_weights = list(start.history), start.best
    for epoch in progress(iter(range(len(history) + 1, epochs + 1))):
        order = torch.from_numpy(seeding.rng(seed, "batches", epoch).permutation(len(training.classes)))
        with _random_numbers(seeding.derive_seed(seed, "dropout", epoch) % 2**63, device):
            train_loss, train_accuracy = _one_epoch(model, optimizer, training, _batches(order, batch_size), device)
        validation_loss, validation_accuracy = evaluate(model, validation, batch_size, device)
        history.append(Epoch(epoch, train_loss, train_accuracy, validation_loss, validation_accuracy))
        if checkpoint == "best" and _best(history) == epoch:
            best_weights = copy.deepcopy(model.state_dict())
        keep(Checkpoint(history, model.state_dict(), optimizer.state_dict(), best_weights))
    if best_weights is not None:
        model.load_state_dict(best_weights)
    model.eval()
    is_regularised = any(group["weight_decay"] for group in optimizer.param_groups)
    return Trained(
        history,
        epoch_used=_best(history) if checkpoint == "best" else epochs,
        optimization=type(optimizer).__name__,
        loss="Cross Entropy" + is_regularised * " + L2",
    )


@torch.no_grad()
def evaluate(model: nn.Module, data: LabelledData, batch_size: int, device: torch.device) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in [0, 1] of `model` on `data`, in eval mode."""
    model.eval()
    loss = correct = 0.0
    for index in torch.arange(len(data.classes)).split(batch_size):
        inputs, classes = data.batch(index, device)
        logits = model(inputs)
        loss += nn.functional.cross_entropy(logits, classes, reduction="sum").item()
        correct += (logits.argmax(1) == classes).sum().item()
    return loss / len(data.classes), correct / len(data.classes)


@torch.no_grad()
def features(descriptor: nn.Module, data: LabelledData, batch_size: int, device: torch.device) -> LabelledData:
    """`data` with the outputs of a frozen `descriptor`, computed once, in place of the images."""
    descriptor.to(device).eval()
    outputs = [
        descriptor(data.batch(index, device)[0]).cpu() for index in torch.arange(len(data.classes)).split(batch_size)
    ]
    return LabelledData(torch.cat(outputs), data.classes)


@contextlib.contextmanager
def _random_numbers(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch on the CPU and on `device` inside the block, and restore the random state afterwards."""
    on_mps = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
    if on_mps is not None:
        torch.mps.set_rng_state(on_mps)


def _best(history: list[Epoch]) -> int:
    return max(history, key=lambda row: (row.validation_accuracy, -row.validation_loss)).epoch


def _one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: LabelledData,
    batches: list[Tensor],
    device: torch.device,
) -> tuple[float, float]:
    model.train()
    # Summed on the device: reading values after every step would stall a GPU.
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    for index in batches:
        inputs, classes = training.batch(index, device)
        logits = model(inputs)
        loss = nn.functional.cross_entropy(logits, classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(index)
        correct += (logits.detach().argmax(1) == classes).sum()
    return loss_sum.item() / len(training.classes), correct.item() / len(training.classes)


def _batches(order: Tensor, batch_size: int) -> list[Tensor]:
    batches = list(order.split(batch_size))
    # Batch normalisation needs two images: a single one joins the previous batch.
    if len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    l2_of: dict[Any, Any] = {layer.weight: layer.l2 for layer in model.modules() if hasattr(layer, "l2")}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault(2 * l2_of.get(parameter, 0.0), []).append(parameter)
    return [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]
