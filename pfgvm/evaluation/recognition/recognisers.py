"""Face recognisers, from aligned faces to embeddings: installed ones, and ONNX files named in the settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.recognition.embedding_distance import INSTALLED, Comparison, comparison
from pfgvm.settings import OnnxRecogniser

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Recogniser(Comparison):
    """A face recogniser with its network.

    network: maps faces in CelebA's framing, float32 in [0, 1], (n, 3, H, W), n > 0, to embeddings, float32, (n, d).
    """

    network: Callable[[np.ndarray], np.ndarray]

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings of `images`. Raises InputError as `check` does."""
        embeddings = self.network(images)
        self.check(embeddings)
        return embeddings


def open_recogniser(name: str, line: str | OnnxRecogniser, root: Path, image_size: tuple[int, int]) -> Recogniser:
    """Open the recogniser `name` of the settings, for faces of `image_size` (height, width).

    line: `installed`, or the settings of an ONNX file in the folder `root`. Raises InputError if the file is missing,
    has another hash than expected, or does not match `line`.
    """
    if isinstance(line, str) != (name in INSTALLED):
        raise InputError(
            f"setting evaluation.recognisers: {name}: `installed` are {', '.join(INSTALLED)}; give any other "
            "recogniser with its file and input"
        )
    if isinstance(line, str):
        return _OPENERS[name](image_size)
    return _onnx(comparison(name, line), root / line.file, dict(line))


def trial_faces(image_size: tuple[int, int]) -> np.ndarray:
    """Two synthetic images for a trial run of a recogniser, float32 in [0, 1], (2, 3, H, W).

    They are colour gradients, since some networks' embedding of a blank image is zero.
    """
    rows, columns = (np.linspace(0, 1, size, dtype=np.float32) for size in image_size)
    channels = [
        np.add.outer(rows, columns) / 2,
        np.multiply.outer(rows, 1 - columns),
        np.multiply.outer(1 - rows, columns),
    ]
    return np.stack([channels, channels[::-1]])


def _in_batches(embed: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """`embed` with a fixed batch size of _BATCH, since rounding depends on the batch size."""

    def embed_in_batches(images: np.ndarray) -> np.ndarray:
        missing = -len(images) % _BATCH
        padded = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        return np.concatenate([embed(batch) for batch in np.split(padded, len(padded) // _BATCH)])[: len(images)]

    return embed_in_batches


def _dlib(image_size: tuple[int, int]) -> Recogniser:
    import torch

    from pfgvm.models import dlib_descriptor

    network = dlib_descriptor.load(image_size, None).eval()

    @torch.no_grad()
    def embed(images: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(images)).numpy()

    return Recogniser(**vars(INSTALLED["dlib"]), network=_in_batches(embed))


def _sface(image_size: tuple[int, int]) -> Recogniser:
    import torch

    from pfgvm.evaluation.recognition.alignment import chips
    from pfgvm.faces.geometry import ARCFACE_SIZE
    from pfgvm.models import sface_file

    # In PyTorch in this memory format it takes two thirds of ONNX Runtime's time.
    network = sface_file.load(None).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs

    @torch.no_grad()
    def embed(images: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(chips(images, (ARCFACE_SIZE, ARCFACE_SIZE))).permute(0, 3, 1, 2)
        return network(values.contiguous(memory_format=torch.channels_last)).numpy()

    return Recogniser(**vars(INSTALLED["sface"]), network=_in_batches(embed))


def _onnx(compared: Comparison, path: Path, line: Mapping[str, Any]) -> Recogniser:
    from pfgvm.evaluation.recognition.alignment import chips
    from pfgvm.evaluation.recognition.onnx_network import OnnxNetwork

    network = OnnxNetwork(path, line.get("output"))
    mean, scale = np.array(line.get("mean", (0, 0, 0)), np.float32), np.float32(line.get("scale", 1))
    layout, channels = line.get("layout", "NCHW"), line.get("channels", "RGB")

    def embed(images: np.ndarray) -> np.ndarray:
        values = 255 * chips(images, line["input_size"])
        values = values[..., ::-1] if channels == "BGR" else values
        values = (values - mean) * scale
        return network(np.ascontiguousarray(values.transpose(0, 3, 1, 2) if layout == "NCHW" else values))

    return Recogniser(**vars(compared), network=embed)


# One entry per recogniser in INSTALLED.
_OPENERS: Mapping[str, Callable[[tuple[int, int]], Recogniser]] = {"dlib": _dlib, "sface": _sface}
