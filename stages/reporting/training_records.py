"""The training records, for stages that need no model."""

from collections.abc import Sequence
from pathlib import Path

from pfgvm.models.training_record import TrainingRecord
from pfgvm.settings import MODEL_NAMES


def read_records(models: Path, names: Sequence[str] = MODEL_NAMES) -> list[TrainingRecord]:
    """Read the training records of the models `names`, one subfolder each of `models`."""
    paths = [models / name / "training.json" for name in names]
    return [TrainingRecord.model_validate_json(path.read_text("utf-8")) for path in paths]
