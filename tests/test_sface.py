"""SFace in PyTorch: equal to ONNX Runtime, with right gradients, and files of other networks refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from skimage.transform import SimilarityTransform
from torch import Tensor, nn

from pfgvm.errors import InputError
from pfgvm.evaluation.recognition.alignment import chips
from pfgvm.evaluation.recognition.onnx_network import OnnxNetwork
from pfgvm.evaluation.recognition.recognisers import open_recogniser
from pfgvm.faces.geometry import ARCFACE_POINTS, CELEBA_POINTS
from pfgvm.faces.images import decode, to_size
from pfgvm.faces.sources import open_source
from pfgvm.faces.subset import select_subset
from pfgvm.models import model_b, sface_descriptor, sface_file
from pfgvm.models.installed_weights import sface_weights
from pfgvm.models.sface import FaceChips, SFace
from pfgvm.models.target_models import architecture

ROOT = Path(__file__).parent.parent


def faces(image_size: tuple[int, int]) -> np.ndarray:
    """One bundled face of each of six identities, float32 in [0, 1], (6, 3, H, W)."""
    source = open_source("synthetic", ROOT / "data" / "synthetic-faces")
    names = [name for names in select_subset(source, 6, 1, 0).images.values() for name in names]
    images = np.stack([to_size(decode(source.read(name), name), image_size) for name in names])
    return images.astype(np.float32) / 255


@pytest.fixture(scope="module")
def network() -> SFace:
    return sface_file.load()


@torch.no_grad()
def test_descriptors_are_those_of_onnx_runtime(network: SFace):
    values = np.random.default_rng(0).uniform(size=(3, 3, 112, 112)).astype(np.float32)
    expected = OnnxNetwork(sface_weights())(255 * values)
    assert np.abs(expected).max() > 1
    assert np.abs(network(torch.from_numpy(values)).numpy() - expected).max() < 2e-5


@torch.no_grad()
@pytest.mark.parametrize("image_size", [(109, 89), (218, 178), (654, 534)])
def test_descriptors_are_those_of_the_recogniser(image_size: tuple[int, int]):
    images = faces(image_size)
    warped = FaceChips(image_size)(torch.from_numpy(images)).permute(0, 2, 3, 1).numpy()
    assert np.abs(warped - chips(images, (112, 112))).mean() < 0.01
    expected = open_recogniser("sface", "installed", Path(), image_size).embed(images)
    descriptors = sface_descriptor.load(image_size, None)(torch.from_numpy(images)).numpy()
    lengths = [np.linalg.norm(values, axis=1) for values in (expected, descriptors)]
    cosines = expected @ descriptors.T / np.outer(*lengths)
    # The warp omits a rotation, which changes less than another identity does.
    assert cosines.diagonal().min() > 0.99 > np.sort(cosines, axis=1)[:, -2].max()


@torch.no_grad()
def test_training_mode_changes_nothing(network: SFace):
    values = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sface_file.load().train()(values), network(values))


def test_every_weight_comes_from_the_file():
    # A weight left at its random start would differ between two readings.
    first, second = (sface_file.read_weights(sface_weights()) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_gradient_reaches_the_image_and_is_right():
    images = torch.from_numpy(faces((109, 89))[:2]).double().requires_grad_()
    descriptor = sface_descriptor.load((109, 89), None).double()

    def value(x: Tensor) -> Tensor:
        return descriptor(x).square().sum()

    (gradient,) = torch.autograd.grad(value(images), images)
    assert gradient.isfinite().all()
    # The chip covers about two thirds of the columns, and half of the rows.
    assert (gradient.abs().amax(dim=1) > 0).double().mean() > 0.3
    step = 1e-7  # small, or it crosses kinks of the PReLUs
    for position in ((0, 1, 60, 45), (1, 2, 70, 40)):
        direction = torch.zeros_like(images)
        direction[position] = 1
        with torch.no_grad():
            slope = (value(images + step * direction) - value(images - step * direction)) / (2 * step)
        assert slope.item() == pytest.approx(gradient[position].item(), rel=1e-4)


@pytest.mark.parametrize("image_size", [(218, 178), (109, 89), (872, 712)])
def test_the_warp_is_the_similarity_of_the_landmarks(image_size: tuple[int, int]):
    height, width = image_size
    # Images whose values are pixel positions in the 218 x 178 image.
    rows = ((torch.arange(height) + 0.5) * 218 / height - 0.5).view(-1, 1).expand(height, width)
    columns = ((torch.arange(width) + 0.5) * 178 / width - 0.5).expand(height, width)
    warped = FaceChips(image_size)(torch.stack([columns, rows, torch.ones(height, width)])[None])[0]
    assert (warped[2] - 1).abs().max() < 1e-5
    similarity = SimilarityTransform.from_estimate(np.array(ARCFACE_POINTS), np.array(CELEBA_POINTS))
    assert abs(np.degrees(similarity.rotation)) < 0.5
    down, right = np.mgrid[0:112, 0:112]
    expected = similarity(np.stack([right.ravel(), down.ravel()], axis=1)).T.reshape(2, 112, 112)
    assert np.abs(warped[:2].numpy() - expected).max() < 0.6


def test_what_is_finer_than_a_chip_averages_out():
    checkerboard = torch.from_numpy((np.indices((872, 712)).sum(axis=0) % 2).astype(np.float32))
    warped = FaceChips((872, 712))(checkerboard.expand(1, 3, -1, -1))
    assert (warped - 0.5).abs().max() < 0.02


def test_model_b_on_sface_takes_its_128_numbers():
    model = model_b(5, (109, 89), "sface").eval()
    images = torch.from_numpy(faces((109, 89))[:2])
    assert model.descriptor(images).shape == (2, 128) and model(images).shape == (2, 5)
    assert architecture(model, (109, 89))[0]["layer"] == "SFace face descriptor (MobileNet)"
    # A stored model is built without the weights file, then filled.
    stored = model.recipe.build()
    stored.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(stored.eval()(images), model(images))


# ── Other files ───────────────────────────────────────────────────────────────────────────────────────────────────


def other_operator(graph: onnx.GraphProto) -> None:
    [node, *_] = [node for node in graph.node if node.op_type == "PRelu"]
    node.op_type = "Sin"


def another_stride(graph: onnx.GraphProto) -> None:
    [node, *_] = [node for node in graph.node if node.op_type == "Conv"]
    [strides] = [attribute for attribute in node.attribute if attribute.name == "strides"]
    strides.ints[:] = [2, 2]


def a_branch(graph: onnx.GraphProto) -> None:
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    nodes[2].input[0] = nodes[1].input[0]


def another_scale(graph: onnx.GraphProto) -> None:
    [node] = [node for node in graph.node if node.op_type == "Mul"]
    [scale] = [tensor for tensor in graph.initializer if tensor.name == node.input[1]]
    scale.CopyFrom(numpy_helper.from_array(np.array([0.5], np.float32), scale.name))


def fewer_layers(graph: onnx.GraphProto) -> None:
    del graph.node[-1]


def one_layer_more(graph: onnx.GraphProto) -> None:
    graph.node.append(onnx.helper.make_node("Relu", ["fc1"], ["more"]))


def missing_weights(graph: onnx.GraphProto) -> None:
    [at, *_] = [i for i, tensor in enumerate(graph.initializer) if tensor.name.endswith("_scales")]
    del graph.initializer[at]


def weights_of_another_shape(graph: onnx.GraphProto) -> None:
    [slopes, *_] = [tensor for tensor in graph.initializer if tensor.name.endswith("relu_gamma")]
    slopes.CopyFrom(numpy_helper.from_array(np.ones((7, 1, 1), np.float32), slopes.name))


def weights_not_finite(graph: onnx.GraphProto) -> None:
    [slopes, *_] = [tensor for tensor in graph.initializer if tensor.name.endswith("relu_gamma")]
    values = np.full_like(numpy_helper.to_array(slopes), np.nan)
    slopes.CopyFrom(numpy_helper.from_array(values, slopes.name))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_operator, "operator Sin instead of PRelu"),
        (another_stride, r"strides \[2, 2\] instead of \[1, 1\]"),
        (a_branch, "Conv on"),
        (another_scale, "another scale of the input"),
        (fewer_layers, "operator nothing instead of BatchNormalization"),
        (one_layer_more, "operator Relu after the last layer"),
        (missing_weights, "DequantizeLinear without 3 tensors"),
        (weights_of_another_shape, r"shape \(7,\)"),
        (weights_not_finite, "not finite"),
    ],
)
def test_a_file_of_another_network_is_refused(spoil: Callable, words: str, tmp_path: Path):
    model = onnx.load(sface_weights())
    spoil(model.graph)
    path = tmp_path / "other.onnx"
    onnx.save(model, path)
    with pytest.raises(InputError, match=rf"other\.onnx: is not SFace \(.*{words}.*\); use face_recognition_sface"):
        sface_file.read_weights(path)


@pytest.mark.parametrize("content", [b"", b"these are no weights\n" * 100])
def test_a_file_of_another_format_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.onnx: is n"):
        sface_file.read_weights(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.onnx: cannot be read"):
        sface_file.load(tmp_path / "absent.onnx")


def test_convolutions_contain_the_normalisations(network: SFace):
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 1
