"""The VGG-Face descriptor against torchvision's VGG-16, and weights files that are refused."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import vgg16

from pfgvm.errors import InputError
from pfgvm.models import vgg_face

LAYERS = [f"conv{block}_{layer}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for layer in range(1, count + 1)]


@pytest.fixture(scope="session")
def reference() -> nn.Module:
    """torchvision's VGG-16 convolutions, at random weights that keep their outputs apart."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = vgg16(weights=None).features
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.bias, std=10)
    return layers.eval()


@pytest.fixture(scope="session")
def weights(reference) -> dict[str, torch.Tensor]:
    """The same weights with the names of vgg_face_dag.pth."""
    convolutions = [layer for layer in reference if isinstance(layer, nn.Conv2d)]
    named = zip(LAYERS, convolutions, strict=True)
    return {f"{name}.{kind}": getattr(layer, kind).data for name, layer in named for kind in ("weight", "bias")}


@pytest.mark.parametrize("more", [{}, {"fc6.weight": torch.ones(4, 8), "fc8.bias": torch.ones(4)}])
@torch.no_grad()
def test_a_file_gives_the_convolutions_of_vgg_16(more, weights, reference, tmp_path):
    torch.save(weights | more, tmp_path / "vgg_face_dag.pth")
    descriptor = vgg_face.load((109, 89), tmp_path / "vgg_face_dag.pth")
    images = torch.rand(2, 3, 109, 89, generator=torch.Generator().manual_seed(0))
    means = torch.tensor([129.1863, 104.7624, 93.5940]).view(3, 1, 1)
    expected = reference(255 * images - means)
    assert expected.shape == (2, 512, 3, 2) and (expected > 1).float().mean() > 0.2
    torch.testing.assert_close(descriptor(images), expected.flatten(1), rtol=1e-4, atol=1e-3)
    assert descriptor.features == 512 * 3 * 2


def test_at_full_size_it_gives_15360_numbers():
    with torch.device("meta"):
        descriptor = vgg_face.build((218, 178))
        assert descriptor(torch.rand(1, 3, 218, 178)).shape == (1, descriptor.features) == (1, 15_360)


WRAPPINGS = {
    "under state_dict": lambda weights: {"epoch": 3, "state_dict": weights},
    "of DataParallel": lambda weights: {f"module.{name}": value for name, value in weights.items()},
    "both": lambda weights: {"state_dict": {f"module.{name}": value for name, value in weights.items()}},
    "in half precision": lambda weights: {name: value.half().float().half() for name, value in weights.items()},
    "in double precision": lambda weights: {name: value.double() for name, value in weights.items()},
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_weights_are_read_in_the_layouts_of_other_tools(wrap, weights, tmp_path):
    torch.save(wrap(weights), tmp_path / "weights.pth")
    tensors = vgg_face.read_weights(tmp_path / "weights.pth")
    assert tensors.keys() == weights.keys()
    for name, value in tensors.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-4)


class Runs:
    """Pickled code that writes a file when it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        vgg_face.read_weights(path)
    message = str(error.value)
    assert str(path) in message and "train.B.weights" in message and "\n" not in message
    return message


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_code_in_a_file_is_not_executed(protocol, tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "weights.pth"
    if protocol == "torch":
        torch.save({"conv1_1.weight": Runs(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(Runs(marker)))
    assert "contains code, which is not executed" in refused(path)
    assert not marker.exists()
    torch.load(path, weights_only=False) if protocol == "torch" else pickle.loads(path.read_bytes())
    assert marker.exists()  # the trap works


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"these are no weights\n",
        b"\x80",
        b"PK\x03\x04",
        b"\xff\xd8\xff\xe0 JPEG",
        b"{}",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1\n",
        b"<!doctype html><html></html>",
        b"\x80\x02}q\x00.",
    ],
    ids=["empty", "text", "pickle cut", "zip cut", "image", "json", "Git-LFS pointer", "web page", "bare pickle"],
)
def test_an_invalid_weights_file_is_refused(content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert "no plain PyTorch weights file" in refused(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({name: torch.ones(64, 64) for name in LAYERS}, path)
    path.write_bytes(path.read_bytes()[:-5000])
    assert "no plain PyTorch weights file" in refused(path)


def test_a_missing_file_is_named(tmp_path):
    assert "cannot be read (No such file or directory)" in refused(tmp_path / "absent.pth")


def test_a_folder_is_named(tmp_path):
    assert "cannot be read (Is a directory)" in refused(tmp_path)


@pytest.mark.parametrize(
    "name, value, complaint",
    [
        ("conv1_1.weight", torch.zeros(64, 3, 5, 5), "conv1_1.weight is (64, 3, 5, 5), not (64, 3, 3, 3)"),
        ("conv5_3.bias", None, "conv5_3.bias is missing"),
        ("conv3_2.bias", [0.0] * 256, "conv3_2.bias is missing"),
        ("conv1_2.bias", torch.full((64,), torch.nan), "conv1_2.bias contains values that are not finite"),
        ("conv1_2.bias", torch.full((64,), torch.inf), "conv1_2.bias contains values that are not finite"),
        ("conv2_1.weight", torch.zeros(128, 64, 3, 3), "conv2_1.weight contains only zeros"),
        ("conv1_2.bias", torch.ones(64, dtype=torch.int8), "conv1_2.bias contains int8 values"),
    ],
    ids=["shape", "missing", "no tensor", "NaN", "infinity", "zeros", "int8"],
)
def test_a_convolution_that_does_not_fit_is_named(name, value, complaint, weights, tmp_path):
    spoilt = {key: tensor for key, tensor in weights.items() if key != name}
    if value is not None:
        spoilt[name] = value
    torch.save(spoilt, tmp_path / "weights.pth")
    assert complaint in refused(tmp_path / "weights.pth")


def test_a_bare_tensor_is_refused(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "weights.pth")
    assert "contains a Tensor, not a mapping of weights" in refused(tmp_path / "weights.pth")
