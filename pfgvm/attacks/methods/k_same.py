"""k-Same: the mean of k persons' faces, one of the old ways that the paper's introduction names."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_images, count
from pfgvm.attacks.common.context import Context, Gallery

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def k_same(images: Tensor, *, k: int) -> Tensor:
    """k-Same on pixels (Newton, Sweeney, Malin, IEEE TKDE 2005): each image becomes the mean of its cluster.

    A cluster is the first image left and, of the others left, the k − 1 nearest to it by L2. The last k to 2k − 1
    images are one cluster, as all are where there are fewer than k: such a mean hides each among that many only.

    images: x, (n, C, H, W) in [0, 1], one of each person, in the order in which they are taken. k ≥ 1.
    Returns images like x. Raises InputError for any argument that is none of this.
    """
    x, k = checked_images(images), count("k", k, least=1)
    averaged = x.clone()
    for cluster in _clusters(x, k):
        averaged[cluster] = _mean(x[cluster])
    return averaged


def _clusters(images: Tensor, k: int) -> list[list[int]]:
    """The numbers of `images`, in clusters."""
    pixels = images.cpu()
    left, found = list(range(len(images))), []
    while len(left) >= 2 * k:
        # Of two that are equally near, the one taken first, since sorting is stable.
        cluster = sorted(left, key=functools.partial(_distance, pixels, left[0]))[:k]
        found.append(cluster)
        left = [image for image in left if image not in cluster]
    return [*found, left] if left else found


def _distance(pixels: Tensor, one: int, other: int) -> float:
    return (pixels[one].double() - pixels[other].double()).norm().item()


def _mean(images: Tensor) -> Tensor:
    # On the CPU: not every device has float64.
    return images.cpu().double().mean(0).to(images.dtype).to(images.device)


def deidentify(context: Context, *, k: int, seed: int) -> Tensor:
    """`k_same` among all attacked images: each of `context` becomes the mean of its cluster."""
    gallery = context.gallery
    cluster_of = _names_of_clusters(gallery, k, seed)
    clusters = {cluster_of[name] for name in context.names}
    # Read anew for each batch, so that memory does not grow with the number of images.
    means = {cluster: _mean(gallery.read(cluster)) for cluster in clusters}
    return torch.stack([means[cluster_of[name]] for name in context.names]).to(context.images)


# All batches of a run share one gallery.
@functools.lru_cache(maxsize=1)
def _names_of_clusters(gallery: Gallery, k: int, seed: int) -> dict[str, tuple[str, ...]]:
    """The cluster of each image of `gallery`. One round's images are in memory at a time."""
    found = {}
    for names in _rounds(gallery, seed):
        for cluster in _clusters(gallery.read(names), k):
            together = tuple(names[image] for image in cluster)
            found.update(dict.fromkeys(together, together))
    return found


def _rounds(gallery: Gallery, seed: int) -> Iterator[Sequence[str]]:
    """The images of `gallery`, at most one of each person in a round: k-Same is defined for such sets alone."""
    images_of: dict[str, list[str]] = {}
    for name, person in zip(gallery.names, gallery.persons, strict=True):
        images_of.setdefault(person, []).append(name)
    drawn = [seeding.shuffled(images, seed, "k-Same round", person) for person, images in images_of.items()]
    for images in itertools.zip_longest(*drawn):
        yield seeding.shuffled((image for image in images if image is not None), seed, "k-Same order")


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {"k": settings.k_same.k, "seed": settings.seed}
