"""Small synthetic images for tests, on disk in the layouts of the sources."""

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

People = dict[str, dict[str, bytes]]


def picture(*key: object, size: tuple[int, int] = (8, 10), kind: str = "PNG") -> bytes:
    """The file of a noise image of `size` (width, height), determined by `key`."""
    noise = np.random.default_rng(zlib.crc32(repr(key).encode()))
    pixels = noise.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), kind)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Encode `image` in the format `kind`."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def people(persons: int | Iterable[str], images: int) -> People:
    """Identity -> image name -> file: `images` different images of each, with CelebA's numbered names."""
    names = [str(10 * number) for number in range(1, persons + 1)] if isinstance(persons, int) else list(persons)
    return {
        person: {f"{images * row + column + 1:06}.jpg": picture(person, column) for column in range(images)}
        for row, person in enumerate(names)
    }


def celeba(root: Path, faces: People, *, zipped: bool = False, newline: str = "\n") -> Path:
    """Write `faces` to `root` in CelebA's layout, as a folder or as the zip."""
    root.mkdir(parents=True, exist_ok=True)
    files = {image: content for images in faces.values() for image, content in images.items()}
    if zipped:
        celeba_zip(root, {f"img_align_celeba/{image}": content for image, content in files.items()})
    else:
        (root / "img_align_celeba").mkdir()
        for image, content in files.items():
            (root / "img_align_celeba" / image).write_bytes(content)
    identities(root, [f"{image} {person}" for person, images in faces.items() for image in images], newline)
    return root


def celeba_zip(root: Path, members: dict[str, bytes]) -> Path:
    """Write `members` (path in the zip -> file) as CelebA's zip to `root`."""
    with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return root / "img_align_celeba.zip"


def identities(root: Path, lines: Iterable[str], newline: str = "\n") -> None:
    """Write CelebA's list of identities to `root`."""
    (root / "identity_CelebA.txt").write_bytes("".join(line + newline for line in lines).encode())


def folders(root: Path, faces: People) -> Path:
    """Write `faces` to `root`, one folder per identity."""
    for person, images in faces.items():
        (root / person).mkdir(parents=True)
        for image, content in images.items():
            (root / person / image).write_bytes(content)
    return root
