"""A network in an ONNX file, run by ONNX Runtime on the CPU."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from pfgvm.errors import InputError

# The newest that every ONNX Runtime of the pinned versions reads.
_IR_VERSION = 10
_REMEDY = "correct this recogniser's line under evaluation.recognisers"
# What a network may take, by ONNX Runtime's names.
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class OnnxNetwork:
    """The network in the file `path`, whose one input is images, one output (named `output`, where there are several).

    The images may be floats of any width, or bytes. Raises InputError where the file is missing, is no ONNX file, or
    has other inputs or outputs.
    """

    def __init__(self, path: Path, output: str | None = None) -> None:
        self._path = path
        model = _read(path)
        # Files written for older tools list weights, and what other nodes compute, among the inputs.
        given = {weights.name for weights in model.graph.initializer}
        given |= {name for node in model.graph.node for name in node.output}
        used = {name for node in model.graph.node for name in node.input}
        inputs = [value for value in model.graph.input if value.name in used - given]
        if len(inputs) != 1:
            raise InputError(f"{path}: has {len(inputs)} inputs, not one for images; {_REMEDY}")
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        names = [value.name for value in model.graph.output]
        if output is None and len(names) != 1:
            raise InputError(f"{path}: has the outputs {', '.join(names)}; name one as `output`: {_REMEDY}")
        if output is not None and output not in names:
            raise InputError(f"{path}: has no output {output!r}; there are: {', '.join(names)}; {_REMEDY}")
        self._output = output or names[0]
        model.ir_version = _IR_VERSION
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Weights of 8 bits become floats once, not at every image.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Threads that wait for work by spinning would take the processor from PyTorch's.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise InputError(f"{path}: ONNX Runtime cannot run it ({_first_line(error)}); {_REMEDY}") from None
        [self._input] = self._session.get_inputs()
        if self._input.type not in _TYPES:
            raise InputError(
                f"{path}: takes a {self._input.type}, not images; export it with an input of floats or bytes"
            )
        batch = self._input.shape[0] if self._input.shape else None
        if isinstance(batch, int) and batch != 1:
            raise InputError(
                f"{path}: takes {batch} images at a time; export it for one image, or with a batch of any size"
            )
        [kind] = [value.type for value in self._session.get_outputs() if value.name == self._output]
        if not kind.startswith("tensor("):
            raise InputError(f"{path}: its output {self._output} is a {kind}, no tensor; name another one as `output`")

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The output for `values`, float32, (n, …), n > 0, as float32, (n, d).

        They are given one by one: some files take no more, and so no image's result depends on the others. Raises
        InputError where the file takes another shape, and where it takes bytes and values lie outside 0 to 255.
        """
        return np.stack([self._of_one(value) for value in self._as_taken(values)])

    def _as_taken(self, values: np.ndarray) -> np.ndarray:
        kind = _TYPES[self._input.type]
        if kind is not np.uint8:
            return values.astype(kind)
        if values.min() < 0 or values.max() > 255:
            raise InputError(f"{self._path}: takes bytes, 0 to 255; take mean and scale out of this recogniser's line")
        return np.rint(values).astype(kind)

    def _of_one(self, value: np.ndarray) -> np.ndarray:
        try:
            [found] = self._session.run([self._output], {self._input.name: value[None]})
        except Exception as error:
            problem = f"takes {self._input.shape}, was given {[1, *value.shape]} ({_first_line(error)})"
            raise InputError(f"{self._path}: {problem}; {_REMEDY}") from None
        return found.reshape(-1).astype(np.float32)


def _read(path: Path) -> onnx.ModelProto:
    try:
        # Whatever the name's ending says.
        model = onnx.load(path, "protobuf")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from None
    except onnx.checker.ValidationError as error:
        raise InputError(
            f"{path}: lacks a file of its weights ({_first_line(error)}); put it there, or {_REMEDY}"
        ) from None
    except Exception as error:  # whatever the reader makes of foreign bytes
        raise InputError(f"{path}: is no ONNX file ({_first_line(error)}); {_REMEDY}") from None
    if not model.graph.node:
        raise InputError(f"{path}: is no ONNX file (it holds no network); {_REMEDY}")
    return model


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
