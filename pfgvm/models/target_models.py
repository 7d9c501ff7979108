"""The two target models of Table 1, with the Keras conventions implied by its notation."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from pfgvm.models.descriptors import DESCRIPTORS

# L2Regularizer(0.001) of Table 1: adds 0.001 Σw² of the layer's kernel, never its bias, to the loss.
L2_REGULARIZER = 0.001
IMAGE_SIZE = (218, 178)

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Recipe:
    """Specification of a target model, available as `model.recipe`.

    model: `A` or `B`. image_size: (height, width). descriptor: a name in DESCRIPTORS, for Model B only.
    """

    model: str
    classes: int
    image_size: tuple[int, int]
    descriptor: str = "none"

    def build(self) -> "TargetModel":
        """Build the model with random weights from torch's global generator, including the descriptor."""
        if self.model == "A":
            return TargetModel(_layers_of_a(self.classes, self.image_size), self)
        return self.on(DESCRIPTORS[self.descriptor].module.build(self.image_size))

    def on(self, descriptor: nn.Module) -> "TargetModel":
        """Build Model B on the network `descriptor`, with an untrained head."""
        head = _head_of_b(cast(int, descriptor.features), self.classes)
        return TargetModel(OrderedDict(descriptor=descriptor, head=head), self)


class TargetModel(nn.Sequential):
    """A target model of Table 1, images (B, 3, H, W) in [0, 1] to logits, with the recipe that it was built from.

    A slice of a model, such as its convolutions, has no recipe.
    """

    def __init__(self, layers: OrderedDict[str, nn.Module], recipe: Recipe | None = None) -> None:
        super().__init__(layers)
        self.recipe = recipe


def model_a(classes: int, image_size: tuple[int, int] = IMAGE_SIZE) -> TargetModel:
    """Model A of Table 1, untrained: two convolutions, a hidden layer of 512, and `classes` logits, one per identity.

    Maps images (B, 3, H, W) in [0, 1] of `image_size` (height, width) to logits (B, classes). The initial weights come
    from torch's global generator.
    """
    return Recipe("A", classes, image_size).build()


def model_b(
    classes: int,
    image_size: tuple[int, int] = IMAGE_SIZE,
    descriptor: str = "vgg_face",
    weights: str | Path | None = None,
) -> TargetModel:
    """Model B of Table 1: a pretrained face descriptor, a hidden layer of 256, and `classes` logits, one per identity.

    Maps images (B, 3, H, W) in [0, 1] of `image_size` (height, width) to logits (B, classes). Its two parts are
    `descriptor` (images to features, (B, F)) and `head` (features to logits).

    descriptor: `vgg_face`, the paper's: flattened pool5 of VGG-16; or `dlib`: the 128 features of dlib's face network.
    weights: weights file of the descriptor. None selects the installed file of dlib, and random weights for VGG-16,
    which are for timing only. Raises InputError for an invalid file and ValueError for an unknown descriptor.
    """
    if descriptor not in DESCRIPTORS:
        raise ValueError(f"descriptor must be {' or '.join(DESCRIPTORS)}, not {descriptor!r}")
    loaded = DESCRIPTORS[descriptor].module.load(image_size, weights)
    return Recipe("B", classes, image_size, descriptor).on(loaded)


def _layers_of_a(classes: int, image_size: tuple[int, int]) -> OrderedDict[str, nn.Module]:
    height, width = image_size
    return OrderedDict(
        conv1=_regularised(_glorot(nn.Conv2d(3, 32, 5, padding="same"))),
        norm1=_normalisation(nn.BatchNorm2d, 32),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=_regularised(_glorot(nn.Conv2d(32, 64, 5, padding="same"))),
        norm2=_normalisation(nn.BatchNorm2d, 64),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=_regularised(_glorot(nn.Linear(64 * (height // 4) * (width // 4), 512))),
        norm3=_normalisation(nn.BatchNorm1d, 512),
        relu3=nn.ReLU(),
        dropout=nn.Dropout(0.9),
        fc2=_glorot(nn.Linear(512, classes)),
    )


def _head_of_b(features: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            fc1=_regularised(_glorot(nn.Linear(features, 256))),
            norm1=_normalisation(nn.BatchNorm1d, 256),
            relu1=nn.ReLU(),
            fc2=_glorot(nn.Linear(256, classes)),
        )
    )


def architecture(model: TargetModel, image_size: tuple[int, int]) -> list[dict[str, Any]]:
    """Layers of `model` in the notation of Table 1: dicts of `layer`, `output` (C x H x W) and `parameters`.

    The descriptor of Model B is one row. image_size: (height, width). The model is unchanged afterwards.
    """
    rows: list[dict[str, Any]] = []
    parts = list(model)
    if hasattr(model, "head"):
        descriptor, head = parts
        parts = [descriptor, *cast(nn.Sequential, head)]
    device = next(model.parameters()).device
    values = torch.zeros(1, 3, *image_size, device=device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for part in parts:
            values = part(values)
            if isinstance(part, nn.ReLU):
                rows[-1]["layer"] += "+Relu"
                continue
            if isinstance(part, nn.Flatten):
                continue
            assert model.recipe is not None
            title = _table1_notation(part) or DESCRIPTORS[model.recipe.descriptor].title
            rows.append(
                {
                    "layer": title,
                    "output": " x ".join(str(size) for size in values.shape[1:]),
                    "parameters": sum(parameter.numel() for parameter in part.parameters()),
                }
            )
    rows[-1]["layer"] += "+Softmax"
    model.train(was_training)
    return rows


def _regularised(layer: Layer) -> Layer:
    layer.l2 = L2_REGULARIZER  # type: ignore[assignment]  # nn.Module accepts any attribute
    return layer


def _glorot(layer: Layer) -> Layer:
    assert layer.bias is not None
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _normalisation(kind: type[nn.Module], channels: int) -> nn.Module:
    # Keras defaults: momentum 0.99 of the old average, in PyTorch 0.01 of the new value; epsilon 1e-3.
    return kind(channels, momentum=0.01, eps=1e-3)


def _table1_notation(part: nn.Module) -> str | None:
    l2 = f", L2Regularizer({part.l2})" if hasattr(part, "l2") else ""
    match part:
        case nn.Conv2d():
            height, width = part.kernel_size
            return f"Conv({part.out_channels}, Kernel({height}, {width}), Padding(Same){l2})"
        case nn.Linear():
            return f"FC({part.out_features}{l2})"
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return "BatchNormalization"
        case nn.MaxPool2d():
            size, stride = part.kernel_size, part.stride
            return f"MaxPooling(PoolSize({size}, {size}), Strides({stride}, {stride}))"
        case nn.Dropout():
            return f"Dropout({part.p})"
    return None
