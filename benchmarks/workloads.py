"""The workloads: the bundled faces at the paper's size, and the two models."""

from functools import cache
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.faces.images import decode, to_size
from pfgvm.faces.sources import open_source
from pfgvm.models import model_a, model_b
from pfgvm.models.training import LabelledData, features, train

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


@cache
def bundled(count: int) -> tuple[Tensor, Tensor]:
    """Read `count` faces of 30 identities in turn: uint8, (count, 3, 218, 178), and their classes, (count,)."""
    source = open_source("celeba", ROOT / "data/synthetic-faces")
    by_person = source.images_by_person()
    persons = sorted(by_person, key=lambda person: (-len(by_person[person]), person))[:PERSONS]
    in_turn = zip_longest(*([(name, index) for name in sorted(by_person[p])] for index, p in enumerate(persons)))
    faces = list(islice((face for round_ in in_turn for face in round_ if face), count))
    pixels = np.stack([to_size(decode(source.read(name), name), SIZE) for name, _ in faces])
    return torch.from_numpy(pixels), torch.tensor([index for _, index in faces])


def under_attack(name: str, device: str) -> tuple[nn.Module, Tensor, Tensor]:
    """Train Model `name`; returns it with images in [0, 1], (B, 3, 218, 178), and their next classes as targets, (B,).

    All are on `device`.
    """
    torch.manual_seed(0)
    pixels, classes = bundled(FACES)
    faces, where = LabelledData(pixels, classes), torch.device(device)
    settings = {"learning_rate": 0.0001, "batch_size": 16, "seed": 0, "checkpoint": "last", "device": where}
    if name == "A":
        model = model_a(PERSONS, SIZE)
        train(model, faces, faces, epochs=EPOCHS, **settings)
    else:
        model = model_b(PERSONS, SIZE, "vgg_face")
        # With PyTorch's default weights the activations shrink until the gradients' signs are rounding errors.
        for layer in model.descriptor.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        described = features(model.descriptor, faces, 16, where)
        train(model.head, described, described, epochs=EPOCHS, **settings)
    # Training leaves the weights in channels-last format; a user's model has the default format.
    model = model.eval().to(device, memory_format=torch.contiguous_format)
    count = BATCH[name] if device == "cpu" else 64
    return model, (pixels[:count].float() / 255).to(device), (classes[:count] + 1).to(device) % PERSONS
