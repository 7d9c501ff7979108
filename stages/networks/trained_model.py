"""A trained model on disk: its weights and its training record."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pfgvm.errors import InputError
from pfgvm.models.target_models import Recipe
from pfgvm.models.training_record import TrainingRecord
from pfgvm.settings import MODEL_NAMES
from stages.common.files import atomic_write

WEIGHTS = "model.safetensors"
RECORD = "training.json"


# Compared by identity: a record contains lists and has no hash.
@dataclass(frozen=True, eq=False)
class TrainedModel:
    """The trained model in `folder` with its training `record`; `network` reads the weights."""

    folder: Path
    record: TrainingRecord

    @classmethod
    def read(cls, folder: Path) -> "TrainedModel":
        """Read the model in `folder`. Raises InputError for a missing or damaged record."""
        path = folder / RECORD
        try:
            return cls(folder, TrainingRecord.model_validate_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise InputError(
                f"{path}: is not a complete training record ({_first_line(error)}); {_remedy(folder)}"
            ) from None

    @classmethod
    def read_all(cls, folder: Path) -> "list[TrainedModel]":
        """Read the model in `folder`, or all models, in one subfolder each. Raises InputError as `read` does."""
        return [cls.read(folder)] if (folder / RECORD).exists() else [cls.read(folder / name) for name in MODEL_NAMES]

    @classmethod
    def write(cls, network: nn.Module, record: TrainingRecord, folder: Path) -> None:
        """Write the weights of `network` and its training `record` to `folder`."""
        weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
        with atomic_write(folder / WEIGHTS) as partial:
            save_file(weights, partial)
        with atomic_write(folder / RECORD) as partial:
            partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @property
    def files(self) -> list[Path]:
        """The model's files: weights and record."""
        return [self.folder / WEIGHTS, self.folder / RECORD]

    def network(self, device: torch.device) -> nn.Module:
        """Load the network in eval mode on `device`: images in [0, 1], (B, 3, H, W), to logits, (B, classes).

        Raises InputError for missing or damaged weights.
        """
        record = self.record
        network = Recipe(record.model, len(record.classes), record.image_size, record.descriptor).build()
        path = self.folder / WEIGHTS
        try:
            network.load_state_dict(load_file(path))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise InputError(
                f"{path}: is not a complete weights file ({_first_line(error)}); {_remedy(self.folder)}"
            ) from None
        # Convolutions are faster with channels last; logits are the same up to rounding.
        return network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in torch, not in its types


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _remedy(folder: Path) -> str:
    return f"train the model again: dvc repro --force --single-item train@{folder.name}"
