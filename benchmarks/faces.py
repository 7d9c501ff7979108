"""The bundled faces at the paper's size, as the benchmarks' images."""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pfgvm.faces.images import decode, to_size
from pfgvm.faces.sources import open_source

ROOT = Path(__file__).parents[1]
SIZE = (218, 178)
PERSONS = 30


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
