"""Training of Model A against the loop that PyTorch's tutorials show."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.subjects import PERSONS, SIZE, bundled
from benchmarks.timing import Result, side_by_side
from pfgvm.models import L2_REGULARIZER, model_a
from pfgvm.training import Examples, evaluate, train

# Table 4
BATCH_SIZE, LEARNING_RATE, EPOCHS = 16, 0.0001, 147
SEEDS = (0, 1, 2)


def against_a_plain_loop(device: str) -> Iterator[Result]:
    """The time of one step of 16 images at the paper's size."""
    steps = 10 if device == "cpu" else 39
    pixels, classes = bundled(steps * BATCH_SIZE)
    models = {name: model_a(PERSONS, SIZE).to(device) for name in ("ours", "DataLoader and Adam")}
    tasks = {
        "ours": lambda: _ours(models["ours"], pixels, classes, 1, 0, device),
        "DataLoader and Adam": lambda: _plain(models["DataLoader and Adam"], pixels, classes, 1, 0, device),
    }
    times = side_by_side(tasks, 3, 1e-3 * steps)
    yield Result(
        row=f"training of A, {device}",
        what=f"{steps} steps of {BATCH_SIZE} images of 178 x 218",
        unit="ms a step",
        ours=times.pop("ours"),
        others=times,
        goal=1.3 if device == "cpu" else 3.0,
    )


def error_of_both(device: str) -> Iterator[Result]:
    """The share of unseen faces that a model misnames after Table 4's epochs, over three seeds.

    8 persons at half the paper's size, 14 images each to learn from and 15 to name.
    """
    errors = _errors(device)
    yield Result(
        row=f"error of A after training, {device}",
        what="share of 120 unseen half-size faces of 8 persons that are misnamed, a seed a repeat",
        unit="",
        ours=errors.pop("ours"),
        others=errors,
    )


class _Faces(Dataset):
    def __init__(self, pixels: Tensor, classes: Tensor) -> None:
        self.pixels, self.classes = pixels, classes

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.pixels[index].float() / 255, self.classes[index]


def _plain(model: nn.Module, pixels: Tensor, classes: Tensor, epochs: int, seed: int, device: str) -> None:
    torch.manual_seed(seed)
    loader = DataLoader(_Faces(pixels, classes), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=1e-7)
    regularized = [layer.weight for layer in model if hasattr(layer, "l2")]
    model.train()
    for _ in range(epochs):
        for images, persons in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images.to(device)), persons.to(device))
            loss = loss + L2_REGULARIZER * sum(weight.square().sum() for weight in regularized)
            loss.backward()
            optimizer.step()
    model.eval()


def _ours(model: nn.Module, pixels: Tensor, classes: Tensor, epochs: int, seed: int, device: str) -> None:
    nobody = Examples(pixels[:1], classes[:1])
    settings = {"learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, "checkpoint": "last"}
    train(model, Examples(pixels, classes), nobody, epochs=epochs, seed=seed, device=torch.device(device), **settings)


def _errors(device: str) -> dict[str, list[float]]:
    pixels, classes = bundled(29 * PERSONS)
    known = classes < 8
    pixels = nn.functional.interpolate(pixels[known].float(), (109, 89), mode="area").round().to(torch.uint8)
    classes = classes[known]
    learnt, unseen = slice(0, 14 * 8), Examples(pixels[14 * 8 :], classes[14 * 8 :])
    errors: dict[str, list[float]] = {"ours": [], "DataLoader and Adam": []}
    for seed in SEEDS:
        for name, run in (("ours", _ours), ("DataLoader and Adam", _plain)):
            torch.manual_seed(seed)
            model = model_a(8, (109, 89)).to(device)
            run(model, pixels[learnt], classes[learnt], EPOCHS, seed, device)
            errors[name].append(1 - evaluate(model, unseen, BATCH_SIZE, torch.device(device))[1])
    return errors
