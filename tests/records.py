"""Synthetic training records."""

from typing import Any

from pfgvm.models.training_record import TrainingRecord

LAYERS = [
    {"layer": "MaxPooling(PoolSize(2, 2), Strides(2, 2))", "output": "64", "parameters": 0},
    {"layer": "FC(4)+Softmax", "output": "4", "parameters": 2056},
]


def training_record(model: str, **changes: Any) -> TrainingRecord:
    """The record of Model A, or of Model B (dlib), on 16 images of four identities, with `changes`."""
    values = {
        "model": model, "descriptor": "none", "descriptor_sha256": None, "frozen": None, "dataset": "synthetic",
        "classes": ["a", "b", "c", "d"], "images": 16, "image_height": 40, "image_width": 32, "train_size": 8,
        "validation_size": 4, "test_size": 4, "normalization": "MinMax", "learning_rate": 1e-4,
        "optimization": "Backprop+Adam", "loss": "Cross Entropy", "batch_size": 16, "epochs": 147, "epoch_used": 120,
        "train_accuracy": 1.0, "validation_accuracy": 0.75, "test_accuracy": 2 / 3, "layers": LAYERS, "device": "cpu",
        "versions": {"python": "3.11.2", "torch": "2.11.0", "system": "Linux"},
    }  # fmt: skip
    if model == "B":
        values |= {"descriptor": "dlib", "descriptor_sha256": "ab" * 32, "frozen": True}
    return TrainingRecord.model_validate(values | changes)
