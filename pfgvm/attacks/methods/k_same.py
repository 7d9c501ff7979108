"""k-Same, a conventional method named in the paper's introduction: the mean of k identities' faces."""

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
    """Replace each image by the mean of its cluster: k-Same on pixels (Newton, Sweeney, Malin, IEEE TKDE 2005).

    A cluster consists of the first remaining image and its k − 1 nearest remaining neighbours in L2. The last k to
    2k − 1 images form one cluster. Fewer than k images form one cluster with correspondingly less anonymity.

    images: x, (n, C, H, W) in [0, 1], one per identity, in processing order. k ≥ 1.
    Returns images like `images`. Raises InputError for invalid arguments.
    """
    x, k = checked_images(images), count("k", k, least=1)
    averaged = x.clone()
    for cluster in _clusters(x, k):
        averaged[cluster] = _mean(x[cluster])
    return averaged


def _clusters(images: Tensor, k: int) -> list[list[int]]:
    """Clusters of `images`, as lists of indices."""
    pixels = images.cpu()
    remaining, clusters = list(range(len(images))), []
    while len(remaining) >= 2 * k:
        # Sorting is stable: of equally near images the first one is taken.
        cluster = sorted(remaining, key=functools.partial(_distance, pixels, remaining[0]))[:k]
        clusters.append(cluster)
        remaining = [image for image in remaining if image not in cluster]
    return [*clusters, remaining] if remaining else clusters


def _distance(pixels: Tensor, image: int, other: int) -> float:
    return (pixels[image].double() - pixels[other].double()).norm().item()


def _mean(images: Tensor) -> Tensor:
    # On the CPU, since not every device supports float64.
    return images.cpu().double().mean(0).to(images.dtype).to(images.device)


def deidentify(context: Context, *, k: int, seed: int) -> Tensor:
    """Apply `k_same` to all attacked images and return those of `context`."""
    gallery = context.gallery
    cluster_of = _clusters_by_name(gallery, k, seed)
    clusters = {cluster_of[name] for name in context.names}
    # Read per batch, so that memory does not grow with the number of images.
    means = {cluster: _mean(gallery.read(cluster)) for cluster in clusters}
    return torch.stack([means[cluster_of[name]] for name in context.names]).to(context.images)


# Cached: all batches of a run share one gallery.
@functools.lru_cache(maxsize=1)
def _clusters_by_name(gallery: Gallery, k: int, seed: int) -> dict[str, tuple[str, ...]]:
    """Cluster of each image of `gallery`, by name. Only one round's images are in memory at a time."""
    cluster_of = {}
    for names in _rounds(gallery, seed):
        for cluster in _clusters(gallery.read(names), k):
            cluster_names = tuple(names[image] for image in cluster)
            cluster_of.update(dict.fromkeys(cluster_names, cluster_names))
    return cluster_of


def _rounds(gallery: Gallery, seed: int) -> Iterator[Sequence[str]]:
    """Images of `gallery` in rounds with at most one image per identity, as k-Same requires."""
    images_of: dict[str, list[str]] = {}
    for name, person in zip(gallery.names, gallery.persons, strict=True):
        images_of.setdefault(person, []).append(name)
    shuffled_images = [seeding.shuffled(images, seed, "k-Same round", person) for person, images in images_of.items()]
    for images in itertools.zip_longest(*shuffled_images):
        yield seeding.shuffled((image for image in images if image is not None), seed, "k-Same order")


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"k": settings.k_same.k, "seed": settings.seed}
