"""The records of training, for stages that need no model."""

from pathlib import Path

from pfgvm.models.training_record import TrainingRecord


def read_records(models: Path) -> list[TrainingRecord]:
    """The training records of all models in the folder `models`, in order of name."""
    paths = sorted(models.glob("*/training.json"))
    return [TrainingRecord.model_validate_json(path.read_text("utf-8")) for path in paths]
