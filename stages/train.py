"""Train a target model."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from pfgvm import device as machine
from pfgvm.descriptors import dlib_file
from pfgvm.descriptors.weights import file_hash
from pfgvm.models import architecture, model_a, model_b
from pfgvm.settings import Settings
from pfgvm.training import Examples, evaluate, features, train
from stages.faces import read_pixels
from stages.io import read_settings, run
from stages.models import write_model
from stages.tables import read_table, write_table


def main(model: str, faces: Path, split: Path, out: Path) -> None:
    """Train `model` (A or B) on the images of `split`; write weights, facts and learning curves to `out`."""
    settings = read_settings()
    device = machine.choose(settings.device)
    table = read_table(split)
    classes = sorted(set(table["person"]))
    image_size = settings.data.image_size
    torch.manual_seed(settings.train.seed)
    if model == "A":
        network, facts = model_a(len(classes), image_size), _facts_a(settings)
    else:
        network, facts = _model_b(settings, len(classes))
    facts |= {"layers": architecture(network, image_size)}

    inputs = {
        name: Examples(
            torch.from_numpy(read_pixels(faces, rows["image"], image_size)),
            torch.tensor([classes.index(person) for person in rows["person"]]),
        )
        for name, rows in table.groupby("split")
    }
    trainable: nn.Module = network
    if facts["frozen"]:
        # A frozen descriptor gives the same features in every epoch: they are computed once.
        trainable = network.head
        batch_size = settings.train.batch_size
        inputs = {name: features(network.descriptor, part, batch_size, device) for name, part in inputs.items()}
    trained = train(
        trainable,
        inputs["train"],
        inputs["validation"],
        epochs=facts["epochs"],
        learning_rate=settings.train.learning_rate,
        batch_size=settings.train.batch_size,
        seed=settings.train.seed,
        checkpoint=settings.train.checkpoint,
        device=device,
        progress=lambda epochs: tqdm(epochs, total=facts["epochs"], desc=f"train {model}", unit="epoch", disable=None),
    )
    facts |= {
        "model": model,
        "dataset": settings.data.source,
        "image_height": image_size[0],
        "image_width": image_size[1],
        "classes": classes,
        "images": len(table),
        "learning_rate": settings.train.learning_rate,
        "batch_size": settings.train.batch_size,
        "epoch_used": trained.epoch_used,
        "device": machine.described(device),
        "versions": machine.versions(),
    }
    for name, part in inputs.items():
        facts[f"{name}_size"] = len(part.classes)
        _, facts[f"{name}_accuracy"] = evaluate(trainable, part, settings.train.batch_size, device)
    write_model(network, facts, out)
    write_table(pd.DataFrame([asdict(epoch) for epoch in trained.history]), out / "history.csv")


def _facts_a(settings: Settings) -> dict:
    return {"descriptor": "none", "descriptor_sha256": None, "frozen": None, "epochs": settings.train.A.epochs}


def _model_b(settings: Settings, classes: int) -> tuple[nn.Module, dict]:
    chosen = settings.train.B
    weights = Path(chosen.weights) if chosen.weights else dlib_file.weights_path()
    network = model_b(classes, settings.data.image_size, chosen.descriptor, weights)
    network.descriptor.requires_grad_(not chosen.freeze_descriptor)
    return network, {
        "descriptor": chosen.descriptor,
        "descriptor_sha256": file_hash(weights),
        "frozen": chosen.freeze_descriptor,
        "epochs": chosen.epochs,
    }


if __name__ == "__main__":
    run(main)
