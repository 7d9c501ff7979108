"""A network in an ONNX file, run by ONNX Runtime on the CPU."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from pfgvm.errors import InputError

# Newest IR version that all pinned versions of ONNX Runtime support.
_IR_VERSION = 10
_REMEDY = "correct this recogniser's line under evaluation.recognisers"
# Supported input types, by ONNX Runtime's names.
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class OnnxNetwork:
    """The network in the file `path`, with images as its only input and one output (`output`, if there are several).

    The input type may be any float type or uint8. Raises InputError if the file is missing, is no ONNX file, or has
    other inputs or outputs.
    """

    def __init__(self, path: Path, output: str | None = None) -> None:
        self._path = path
        model = _read(path)
        # Files for older tools list weights and intermediate values among the inputs.
        internal = {weights.name for weights in model.graph.initializer}
        internal |= {name for node in model.graph.node for name in node.output}
        used = {name for node in model.graph.node for name in node.input}
        inputs = [value for value in model.graph.input if value.name in used - internal]
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
        # 8-bit weights are converted to floats once, not for every image.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        # Spinning threads would slow PyTorch down.
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
                f"{path}: its input is a {self._input.type}, not images; export it with float or uint8 input"
            )
        batch = self._input.shape[0] if self._input.shape else None
        if isinstance(batch, int) and batch != 1:
            raise InputError(f"{path}: its batch size is {batch}; export it with batch size 1 or a dynamic batch size")
        [kind] = [value.type for value in self._session.get_outputs() if value.name == self._output]
        if not kind.startswith("tensor("):
            raise InputError(
                f"{path}: its output {self._output} is a {kind}, not a tensor; name another one as `output`"
            )

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Embeddings (n, d), float32, of `values`, float32, (n, …), n > 0.

        Images are processed one by one: some files require it, and results do not depend on other images. Raises
        InputError for another input shape, and for uint8 input with values outside 0 to 255.
        """
        return np.stack([self._embedding(value) for value in self._as_input_type(values)])

    def _as_input_type(self, values: np.ndarray) -> np.ndarray:
        kind = _TYPES[self._input.type]
        if kind is not np.uint8:
            return values.astype(kind)
        if values.min() < 0 or values.max() > 255:
            raise InputError(
                f"{self._path}: its input is uint8, 0 to 255; remove mean and scale from this recogniser's line"
            )
        return np.rint(values).astype(kind)

    def _embedding(self, value: np.ndarray) -> np.ndarray:
        try:
            [embedding] = self._session.run([self._output], {self._input.name: value[None]})
        except Exception as error:
            problem = f"its input is {self._input.shape}, not {[1, *value.shape]} ({_first_line(error)})"
            raise InputError(f"{self._path}: {problem}; {_REMEDY}") from None
        return embedding.reshape(-1).astype(np.float32)


def _read(path: Path) -> onnx.ModelProto:
    try:
        # For any file extension.
        model = onnx.load(path, "protobuf")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from None
    except onnx.checker.ValidationError as error:
        raise InputError(
            f"{path}: a file of its weights is missing ({_first_line(error)}); add it, or {_REMEDY}"
        ) from None
    except Exception as error:  # the reader may raise any error for another format
        raise InputError(f"{path}: is no ONNX file ({_first_line(error)}); {_REMEDY}") from None
    if not model.graph.node:
        raise InputError(f"{path}: is no ONNX file (it contains no network); {_REMEDY}")
    return model


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
