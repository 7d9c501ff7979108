"""Write dlib_face_reference.npz: a few 150 x 150 chips and the descriptors that dlib itself gives them.

Needs dlib (`dlib-bin` will do), which nothing else here does. To renew the reference, from the
repository's root: `python -m tests.data.make_dlib_face_reference`.
"""

import io
import zipfile
from pathlib import Path

import dlib
import numpy as np
from PIL import Image

from pfgvm.models.installed_weights import dlib_weights

HERE = Path(__file__).parent
FACES = HERE.parents[1] / "data" / "synthetic-faces" / "img_align_celeba.zip"
NAMES = ("000001.jpg", "000301.jpg", "000601.jpg", "000901.jpg")
# about where a chip lies in a 218 x 178 image: left, top, right, bottom
BOX = (36, 79, 144, 187)


def make_reference(path_to_faces: Path, path_to_reference: Path) -> None:
    chips = np.stack([*face_chips(path_to_faces), noise_chip()])
    network = dlib.face_recognition_model_v1(str(dlib_weights()))
    descriptors = np.array([network.compute_face_descriptor(chip) for chip in chips])
    np.savez_compressed(path_to_reference, chips=chips, descriptors=descriptors, dlib_version=dlib.__version__)


def face_chips(path_to_faces: Path) -> list[np.ndarray]:
    with zipfile.ZipFile(path_to_faces) as faces:
        images = [Image.open(io.BytesIO(faces.read(f"img_align_celeba/{name}"))) for name in NAMES]
    return [np.asarray(image.convert("RGB").resize((150, 150), box=BOX)) for image in images]


def noise_chip() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)


if __name__ == "__main__":
    make_reference(FACES, HERE / "dlib_face_reference.npz")
