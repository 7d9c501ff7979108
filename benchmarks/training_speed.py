"""Training of Model A, compared with the loop of PyTorch's tutorials."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.measurement import Measurement, side_by_side
from benchmarks.workloads import PERSONS, SIZE, bundled
from pfgvm.models import model_a
from pfgvm.models.target_models import L2_REGULARIZER
from pfgvm.models.training import LabelledData, train

# Table 4
BATCH_SIZE, LEARNING_RATE = 16, 0.0001
LOOP = "DataLoader and Adam"


def against_a_plain_loop(device: str) -> Iterator[Measurement]:
    """Measure one step of 16 images at the paper's size."""
    steps = 10 if device == "cpu" else 39
    pixels, classes = bundled(steps * BATCH_SIZE)
    ours, theirs = (model_a(PERSONS, SIZE).to(device) for _ in range(2))
    tasks = {"ours": lambda: _ours(ours, pixels, classes, device), LOOP: lambda: _loop(theirs, pixels, classes, device)}
    times = side_by_side(tasks, 3, 1e-3 * steps)
    yield Measurement(
        row=f"training of A, {device}",
        what=f"{steps} steps of {BATCH_SIZE} images of 178 x 218",
        unit="ms per step",
        ours=times.pop("ours"),
        others=times,
        goal=2.0 if device == "cpu" else 3.0,
    )


def _ours(model: nn.Module, pixels: Tensor, classes: Tensor, device: str) -> None:
    validation = LabelledData(pixels[:1], classes[:1])
    settings = {"learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, "checkpoint": "last", "seed": 0, "epochs": 1}
    train(model, LabelledData(pixels, classes), validation, device=torch.device(device), **settings)


def _loop(model: nn.Module, pixels: Tensor, classes: Tensor, device: str) -> None:
    faces = [(image.float() / 255, person) for image, person in zip(pixels, classes, strict=True)]
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=1e-7)
    regularized = [layer.weight for layer in model if hasattr(layer, "l2")]
    model.train()
    for images, persons in DataLoader(faces, batch_size=BATCH_SIZE, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images.to(device)), persons.to(device))
        loss = loss + L2_REGULARIZER * sum(weight.square().sum() for weight in regularized)
        loss.backward()
        optimizer.step()
