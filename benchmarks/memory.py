"""How much memory a job of a cell takes by the number of images: python -m benchmarks.memory.

Writes benchmarks/results/memory.csv: the peak resident memory in MB of each stage's process, on the CPU. The images
are 48 x 40 pixels of noise, the model is an untrained Model A: what grows, grows with the number of images alone.
"""

import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.programs import measured
from benchmarks.subjects import ROOT
from pfgvm.models import model_a
from stages.faces import write_faces
from stages.models import write_model

RESULT = ROOT / "benchmarks/results/memory.csv"
COUNTS = (100, 1000, 10000)
PERSONS = [str(person) for person in range(10)]
SIZE = (48, 40)
COMMON = ["--model", "model", "--faces", "faces.zip", "--split", "split.csv"]
STAGES = {
    "p_fgvm": ["p_fgvm", *COMMON, "--out", "p_fgvm.npy"],
    "p_fgvm, 1 of 4 shards": ["p_fgvm", *COMMON, "--out", "shard.npy", "--shard", "1-of-4"],
    "noise": ["noise", *COMMON, "--out", "noise.npy", "--iterates", "iterates.npy"],
    "random": ["random", *COMMON, "--p_fgvm", "p_fgvm.npy", "--out", "random.npy"],
    "score": ["score", *COMMON, "--method", "p_fgvm", "--cell", "p_fgvm.npy", "--out", "scores/A/p_fgvm.csv"],
    "scores": ["scores", "--cells", "scores", "--out", "scores.csv"],
}


def main() -> None:
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepare(folder, count)
            for stage, arguments in STAGES.items():
                _, peak = measured(["-m", f"stages.{arguments[0]}", *arguments[1:]], folder)
                rows.append((stage, count, round(peak)))
                print(*rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=["job", "images", "peak_mb"])
    table = table.pivot(index="job", columns="images", values="peak_mb").reindex(list(STAGES))
    table.to_csv(RESULT, lineterminator="\n")


def prepare(folder: Path, count: int) -> None:
    """Write the settings, `count` faces, their split and a model into `folder`."""
    settings = YAML().load(ROOT / "params.yaml")
    settings["attack"] |= {"images_per_person": None, "noise_images": None}
    settings["attack"]["p_fgvm"]["iterations"] = 2
    settings["device"] = "cpu"
    YAML().dump(settings, folder / "params.yaml")
    names = [f"{index:06}.png" for index in range(count)]
    generator = np.random.default_rng(0)
    write_faces(names, lambda _: noise(generator), folder / "faces.zip")
    persons = [PERSONS[index % len(PERSONS)] for index in range(count)]
    pd.DataFrame({"image": names, "person": persons, "split": "train"}).to_csv(folder / "split.csv", index=False)
    facts = {"model": "A", "classes": PERSONS, "image_height": SIZE[0], "image_width": SIZE[1]}
    torch.manual_seed(0)
    write_model(model_a(len(PERSONS), SIZE), facts, folder / "model")


def noise(generator: np.random.Generator) -> bytes:
    """A PNG of random pixels."""
    file = io.BytesIO()
    Image.fromarray(generator.integers(0, 256, (*SIZE, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
