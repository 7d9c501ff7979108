"""LPIPS with the user's weights compared with the paper's formula, and invalid files."""

import hashlib
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from torchvision.models import alexnet

from pfgvm.errors import InputError
from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.quality.quality_metrics import LPIPS, ImagePair

# Layers of torchvision's AlexNet whose outputs LPIPS uses.
LAYERS = (1, 4, 7, 9, 11)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like torchvision's, with random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save(alexnet().state_dict(), path)
    return path


def image_pair(size: tuple[int, int] = (109, 89)) -> ImagePair:
    random = np.random.default_rng(0)
    original = random.integers(0, 256, (3, *size))
    image = (original + random.normal(0, 20, original.shape)).clip(0, 255)
    return ImagePair(image.astype(np.uint8), original.astype(np.uint8))


def by_the_paper(pair: ImagePair, weights: Path) -> float:
    """Equation 1: over layers, the mean over positions of the weighted squared difference of normalised features."""
    network = alexnet()
    network.load_state_dict(torch.load(weights))
    linear = torch.load(Path(lpips.__file__).parent / "weights/v0.1/alex.pth", map_location="cpu")
    features = torch.from_numpy(np.stack([pair.image, pair.original]) / 255).float()
    features = (features - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    total = 0.0
    with torch.no_grad():
        for place, layer in enumerate(network.features[: LAYERS[-1] + 1]):
            features = layer(features)
            if place in LAYERS:
                unit = features / (features.norm(dim=1, keepdim=True) + 1e-10)
                channel_weights = linear[f"lin{LAYERS.index(place)}.model.1.weight"].reshape(-1, 1, 1)
                total += (channel_weights * (unit[0] - unit[1]) ** 2).sum(0).mean().item()
    return total


@pytest.mark.parametrize("size", [(109, 89), (218, 178)], ids=str)
def test_it_is_the_papers(weights, size):
    metric = lpips_metric(weights)
    pair = image_pair(size)
    expected = by_the_paper(pair, weights)
    assert expected > 1e-4
    # The package rounds ImageNet's mean and deviation to three digits of the scale from -1 to 1.
    assert metric.function(pair) == pytest.approx(expected, rel=5e-3)
    assert metric.function(ImagePair(pair.original, pair.original)) == 0
    assert type(metric.function(pair)) is float
    assert (metric.name, metric.label, metric.digits) == (LPIPS.name, LPIPS.label, LPIPS.digits)


@pytest.mark.parametrize("size", [(32, 32), (33, 47)], ids=str)
def test_small_images_are_supported(weights, size):
    assert lpips_metric(weights).function(image_pair(size)) > 0


def test_another_file_gives_other_values(weights, tmp_path):
    other = {name: value + 0.01 for name, value in torch.load(weights).items()}
    torch.save(other, tmp_path / "other.pth")
    pair = image_pair()
    assert lpips_metric(tmp_path / "other.pth").function(pair) != lpips_metric(weights).function(pair)


def test_without_weights_the_remedy_is_named():
    with pytest.raises(InputError, match=r"LPIPS: its weights are the user's own"):
        LPIPS.function(image_pair())


def test_a_hash_in_the_name_is_checked_and_a_date_is_no_hash(weights, tmp_path):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    right = tmp_path / f"alexnet-owt-{digest[:8]}.pth"
    right.write_bytes(weights.read_bytes())
    assert lpips_metric(right).function(image_pair()) > 0
    assert lpips_metric(right.rename(tmp_path / "alexnet-20240131.pth")).function(image_pair()) > 0
    wrong = (tmp_path / "alexnet-20240131.pth").rename(tmp_path / "alexnet-owt-7be5be79.pth")
    with pytest.raises(InputError) as refused:
        lpips_metric(wrong)
    assert str(wrong) in str(refused.value) and digest in str(refused.value) and "docs/data.md" in str(refused)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda content: None, r"cannot be read \(No such file or directory\)"),
        (lambda content: [1], "contains a list, not a mapping of weights"),
        (lambda content: {"a": torch.zeros(1)}, "features.0.weight is missing"),
        (lambda content: content | {"features.3.weight": torch.zeros(1)}, r"3.weight is \(1,\), not \(192, 64"),
        (lambda content: content | {"features.3.weight": "words"}, "features.3.weight is missing"),
        (
            lambda content: content | {"features.0.bias": torch.full((64,), torch.nan)},
            "features.0.bias contains values",
        ),
        (lambda content: {"code": Path("code")}, "no plain PyTorch weights file, or contains code"),
    ],
    ids=["none", "list", "other", "shape", "words", "not finite", "code"],
)
def test_a_file_that_is_none_is_named_with_the_remedy(weights, tmp_path, change, fault):
    path = tmp_path / "mine.pth"
    if (content := change(torch.load(weights))) is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=fault) as refused:
        lpips_metric(path)
    assert str(refused.value).startswith(f"{path}: ") and "evaluation.lpips" in str(refused.value)
