"""What is measured: the bundled faces at the paper's size, and the two models."""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.faces.images import decode, to_size
from pfgvm.faces.sources import open_source
from pfgvm.models import model_a, model_b
from pfgvm.training import Examples, features, train

ROOT = Path(__file__).parents[1]
SIZE = (218, 178)
PERSONS = 30
EPOCHS, FACES = 12, 160
MODELS = {
    "A": f"trained for {EPOCHS} epochs on {FACES} bundled faces",
    "B": f"VGG-16 with random weights, drawn after He et al. (2015), its head trained for {EPOCHS} epochs",
}
# On a CPU; a GPU takes 64.
BATCH = {"A": 16, "B": 4}


@functools.cache
def bundled(count: int) -> tuple[Tensor, Tensor]:
    """`count` images, uint8 (count, 3, 218, 178), of 30 persons in turn, and their classes, (count,)."""
    source = open_source("celeba", ROOT / "data/synthetic-faces")
    people = source.people()
    persons = sorted(people, key=lambda person: (-len(people[person]), person))[:PERSONS]
    names = [
        (images[rank], index)
        for rank in range(max(map(len, people.values())))
        for index, images in enumerate(sorted(people[person]) for person in persons)
        if rank < len(images)
    ][:count]
    pixels = np.stack([to_size(decode(source.read(name), name), SIZE) for name, _ in names])
    return torch.from_numpy(pixels), torch.tensor([index for _, index in names])


def under_attack(name: str, device: str) -> tuple[nn.Module, Tensor, Tensor]:
    """Model `name`, images, (B, 3, 218, 178) in [0, 1], and target classes, (B,), each the next, on `device`."""
    torch.manual_seed(0)
    pixels, classes = bundled(FACES)
    faces, where = Examples(pixels, classes), torch.device(device)
    settings = {"learning_rate": 0.0001, "batch_size": 16, "seed": 0, "checkpoint": "last", "device": where}
    if name == "A":
        model = model_a(PERSONS, SIZE)
        train(model, faces, faces, epochs=EPOCHS, **settings)
    else:
        model = model_b(PERSONS, SIZE, "vgg_face")
        # PyTorch's own make each layer's maps smaller than the last: the signs of gradients are then rounding errors.
        for layer in model.descriptor.vgg_face:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        seen = features(model.descriptor, faces, 16, where)
        train(model.head, seen, seen, epochs=EPOCHS, **settings)
    # As a user's model lies in memory, whoever trained it.
    model = model.eval().to(device, memory_format=torch.contiguous_format)
    count = BATCH[name] if device == "cpu" else 64
    images, targets = pixels[:count].float() / 255, (classes[:count] + 1) % PERSONS
    return model, images.to(device), targets.to(device)
