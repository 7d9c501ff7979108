"""Selection from CelebA's zip against torchvision's loader, which extracts all of it first."""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from PIL import Image
from ruamel.yaml import YAML

from benchmarks.programs import measured
from benchmarks.subjects import ROOT, bundled
from benchmarks.timing import Result

IMAGES, PERSONS = 202_599, 10_177
# torchvision's own steps, but for the check of CelebA's checksums, which made-up files cannot pass.
TORCHVISION = """
import sys
from torchvision.datasets import CelebA
from torchvision.datasets.utils import extract_archive
class Unchecked(CelebA):
    def _check_integrity(self):
        return True
extract_archive(f"{sys.argv[1]}/celeba/img_align_celeba.zip")
faces = Unchecked(sys.argv[1], split="all", target_type="identity")
for index in range(0, len(faces), len(faces) // 900):
    faces[index][0].load()
"""


def against_torchvision() -> Iterator[Result]:
    """900 images of 30 persons out of a zip of CelebA's shape: whole programs, imports included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = _celeba(folder / "celeba")
        settings = YAML().load(ROOT / "params.yaml")
        settings["data"] |= {"source": "celeba", "root": str(root)}
        settings["subset"] |= {"persons": 30, "images_per_person": 30}
        YAML().dump(settings, folder / "params.yaml")
        stage = ["-m", "stages.select", "--subset", "subset.csv", "--faces", "faces.zip"]
        ours, others, peaks = [], [], {}
        for _ in range(5):
            taken, peaks["ours"] = measured(stage, folder)
            ours.append(taken)
        for _ in range(3):
            taken, peaks["torchvision"] = measured(["-c", TORCHVISION, str(folder)], folder)
            others.append(taken)
            shutil.rmtree(root / "img_align_celeba")
    yield Result(
        row="selection, cpu",
        what=f"900 of {IMAGES:,} images in a zip of CelebA's shape, made of one bundled face",
        unit="s",
        ours=ours,
        others={"torchvision": others},
        goal=50,
        checks={f"peak memory of {who}, MB": peak for who, peak in peaks.items()},
    )


def _celeba(folder: Path) -> Path:
    """CelebA's layout and sizes: every fourth person has 30 images; each file differs in its quantisation table."""
    folder.mkdir()
    names = [f"{index:06}.jpg" for index in range(1, IMAGES + 1)]
    pixels, _ = bundled(1)
    buffer = io.BytesIO()
    Image.fromarray(pixels[0].permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=88)
    picture = bytearray(buffer.getvalue())
    table = picture.index(b"\xff\xdb") + 6
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for index, name in enumerate(names):
            picture[table : table + 3] = (1 + index % 64, 1 + index // 64 % 64, 1 + index // 4096)
            archive.writestr(f"img_align_celeba/{name}", bytes(picture))
    rich = [str(person) for person in range(1, PERSONS + 1) if person % 4 == 0 for _ in range(30)]
    others = cycle(str(person) for person in range(1, PERSONS + 1) if person % 4)
    persons = rich + list(islice(others, IMAGES - len(rich)))
    _write(folder / "identity_CelebA.txt", [f"{name} {person}" for name, person in zip(names, persons, strict=True)])
    _write(folder / "list_eval_partition.txt", [f"{name} 0" for name in names])
    for file, columns in (("attr", 40), ("bbox", 4), ("landmarks_align", 10)):
        header = [str(IMAGES), " ".join(f"column{column}" for column in range(columns))]
        _write(folder / f"list_{file}_celeba.txt", header + [f"{name}{' 1' * columns}" for name in names])
    return folder


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines) + "\n")
