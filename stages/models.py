"""A trained model as files: its weights, and what was measured of it."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pfgvm.models import model_a, model_b
from stages.io import write_whole

WEIGHTS = "model.safetensors"
FACTS = "training.json"


def write_model(model: nn.Module, facts: dict, folder: Path) -> None:
    """Write the weights of `model` and the `facts` of its training to `folder`."""
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    with write_whole(folder / WEIGHTS) as partial:
        save_file(weights, partial)
    with write_whole(folder / FACTS) as partial:
        partial.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def model_files(folder: Path) -> list[Path]:
    """The files that `read_model` reads."""
    return [folder / WEIGHTS, folder / FACTS]


def read_facts(folder: Path) -> dict:
    """What training wrote of the model in `folder`."""
    return json.loads((folder / FACTS).read_text(encoding="utf-8"))


def read_model(folder: Path, device: torch.device) -> nn.Module:
    """The trained model in `folder`, in evaluation mode on `device`."""
    facts = read_facts(folder)
    classes, image_size = len(facts["classes"]), (facts["image_height"], facts["image_width"])
    if facts["model"] == "A":
        model = model_a(classes, image_size)
    else:
        model = model_b(classes, image_size, facts["descriptor"])
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.eval().to(device)
