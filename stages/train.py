"""Train a target model."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from pfgvm.models import model_a, model_b
from pfgvm.models.descriptors import weights_file
from pfgvm.models.device import device_name, versions
from pfgvm.models.target_models import TargetModel, architecture
from pfgvm.models.training import NORMALIZATION, Checkpoint, Epoch, LabelledData, evaluate, features, train
from pfgvm.models.training_record import TrainingRecord
from pfgvm.settings import Settings
from stages.common.data_frames import read_table, write_table
from stages.common.face_archive import read_pixels
from stages.common.files import sha256
from stages.common.program import read_settings, run
from stages.networks.computing import configure_device
from stages.networks.kept_state import KeptState
from stages.networks.progress import reported
from stages.networks.resumable import fingerprint
from stages.networks.trained_model import TrainedModel


def main(*, model: str, faces: Path, split: Path, out: Path) -> None:
    """Train `model` (A or B) on the images of `split`; write weights, record and learning curves to `out`.

    faces: the zip of the originals.
    """
    settings = read_settings()
    training = settings.train
    device = configure_device(settings.device)
    torch.set_num_threads(settings.threads)
    table = read_table(split)
    classes = sorted(set(table["person"]))
    image_size = settings.data.image_size
    torch.manual_seed(training.seed)
    if model == "A":
        network, epochs, descriptor = model_a(len(classes), image_size), training.A.epochs, _NO_DESCRIPTOR
    else:
        network, epochs, descriptor = _model_b(settings, len(classes))
    layers = architecture(network, image_size)

    data = {
        name: LabelledData(
            torch.from_numpy(read_pixels(faces, rows["image"], image_size)),
            torch.tensor([classes.index(person) for person in rows["person"]]),
        )
        for name, rows in table.groupby("split")
    }
    trainable: nn.Module = network
    if descriptor["frozen"]:
        # The features of a frozen descriptor are the same in every epoch: compute them once.
        trainable, descriptor_network = network.get_submodule("head"), network.get_submodule("descriptor")
        data = {name: features(descriptor_network, part, training.batch_size, device) for name, part in data.items()}
        # The head's layers are so small that a second thread costs more time than it saves.
        torch.set_num_threads(1)
    how = (epochs, training.learning_rate, training.batch_size, training.checkpoint, training.seed)
    key = fingerprint([faces, split], how, image_size, descriptor, device_name(device), settings.threads)
    state_file = KeptState(out, key)
    start = _checkpoint(state_file.read())
    trained = train(
        trainable,
        data["train"],
        data["validation"],
        epochs=epochs,
        learning_rate=training.learning_rate,
        batch_size=training.batch_size,
        seed=training.seed,
        checkpoint=training.checkpoint,
        device=device,
        start=start,
        keep=lambda checkpoint: state_file.write(_as_plain(checkpoint)),
        progress=lambda to_come: reported(
            to_come, str(out), "epochs", total=epochs, done=len(start.history) if start else 0
        ),
    )
    sizes = {f"{name}_size": len(part.classes) for name, part in data.items()}
    accuracies = {
        f"{name}_accuracy": evaluate(trainable, part, training.batch_size, device)[1] for name, part in data.items()
    }
    record = TrainingRecord(
        model=model,
        **descriptor,
        dataset=settings.data.source,
        classes=classes,
        images=len(table),
        image_height=image_size[0],
        image_width=image_size[1],
        normalization=NORMALIZATION,
        learning_rate=training.learning_rate,
        optimization=trained.optimization,
        loss=trained.loss,
        batch_size=training.batch_size,
        epochs=epochs,
        epoch_used=trained.epoch_used,
        layers=layers,
        device=device_name(device),
        versions=versions(),
        **sizes,
        **accuracies,
    )
    TrainedModel.write(network, record, out)
    write_table(pd.DataFrame([asdict(epoch) for epoch in trained.history]), out / "history.csv")
    state_file.remove()


def _as_plain(checkpoint: Checkpoint) -> dict[str, Any]:
    return vars(checkpoint) | {"history": [asdict(epoch) for epoch in checkpoint.history]}


def _checkpoint(state: dict[str, Any] | None) -> Checkpoint | None:
    return Checkpoint(**state | {"history": [Epoch(**epoch) for epoch in state["history"]]}) if state else None


_NO_DESCRIPTOR = {"descriptor": "none", "descriptor_sha256": None, "frozen": None}


def _model_b(settings: Settings, classes: int) -> tuple[TargetModel, int, dict[str, Any]]:
    model_settings = settings.train.B
    weights = weights_file(model_settings.descriptor, Path(model_settings.weights))
    network = model_b(classes, settings.data.image_size, model_settings.descriptor, weights)
    network.get_submodule("descriptor").requires_grad_(not model_settings.freeze_descriptor)
    descriptor = {
        "descriptor": model_settings.descriptor,
        "descriptor_sha256": sha256(weights) if weights else None,
        "frozen": model_settings.freeze_descriptor,
    }
    return network, model_settings.epochs, descriptor


if __name__ == "__main__":
    run(main)
