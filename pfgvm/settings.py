"""The schema of params.yaml: one class a section, every key checked before anything runs."""

import difflib
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from pfgvm.errors import InputError

MODEL_NAMES = ("A", "B")
# Below these, the baselines fail on many images, whatever the method proposed does.
MEANINGFUL_IMAGES = 600
MEANINGFUL_SIZE = (109, 89)


def _for_both_models(value: Any) -> Any:
    return value if isinstance(value, dict) else dict.fromkeys(MODEL_NAMES, value)


def _named_for_both(value: dict[str, Any]) -> dict[str, Any]:
    if set(value) != set(MODEL_NAMES):
        raise ValueError("give one number for both models, or a mapping with the keys A and B")
    return value


def _known_model(name: str) -> str:
    if name not in MODEL_NAMES:
        raise ValueError(f"must be {' or '.join(MODEL_NAMES)}")
    return name


T = TypeVar("T")
ModelName = Annotated[str, AfterValidator(_known_model)]
# One number, or one for each model: always read as a mapping.
PerModel = Annotated[dict[ModelName, T], BeforeValidator(_for_both_models), AfterValidator(_named_for_both)]


def _known_descriptor(name: str) -> str:
    # Here, since most programs read settings and know no model.
    from pfgvm.models.descriptors import DESCRIPTORS

    if name not in DESCRIPTORS:
        raise ValueError(f"must be {' or '.join(DESCRIPTORS)}")
    return name


class Section(BaseModel):
    """A section of params.yaml: unknown keys and loosely typed values are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Data(Section):
    """Where the faces come from, and their size."""

    source: Literal["synthetic", "celeba", "folder"] = Field(description="where the faces come from")
    root: str = Field(min_length=1, description="folder that holds them")
    # Two poolings by 2 (model A) leave nothing of fewer than 4 pixels; five (VGG-16) of fewer than 32.
    image_size: Annotated[tuple[int, int], Field(strict=False)] = Field(description="height, width in pixels")

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if min(self.image_size) < 32:
            raise ValueError("image_size must be at least 32 x 32 pixels")
        if self.source != "synthetic" and PurePath(self.root).name == "synthetic-faces":
            raise ValueError(f"source is {self.source}, but root still names the synthetic faces: set data.root")
        return self


class Subset(Section):
    """How many persons and images are drawn."""

    persons: int = Field(ge=2, description="persons to recognise (paper: 30)")
    images_per_person: int = Field(ge=3, description="images of each (paper: 30); one at least for each split")
    seed: NonNegativeInt


class Split(Section):
    """Shares of the images; they sum to 1 (Table 4)."""

    train: PositiveFloat = Field(lt=1, description="share (Table 4: 0.70)")
    validation: PositiveFloat = Field(lt=1, description="share (Table 4: 0.15)")
    test: PositiveFloat = Field(lt=1, description="share (Table 4: 0.15)")
    seed: NonNegativeInt

    @property
    def shares(self) -> dict[str, float]:
        """The three shares by split, in [0, 1]."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @model_validator(mode="after")
    def _whole(self) -> "Split":
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test must sum to 1, not {total:g}")
        return self


class ModelA(Section):
    """Training of model A alone."""

    epochs: PositiveInt = Field(description="Table 4: 147")


class ModelB(Section):
    """Training of model B alone, and the descriptor it stands on."""

    epochs: PositiveInt = Field(description="Table 4: 144")
    descriptor: Annotated[str, AfterValidator(_known_descriptor)]
    weights: str = Field(min_length=1, description="the descriptor's weights file; an empty one: the installed weights")
    freeze_descriptor: bool


class Train(Section):
    """Training of both models (Table 4)."""

    learning_rate: PositiveFloat = Field(description="Table 4: 1e-4")
    batch_size: int = Field(ge=2, description="Table 4: 16; batch normalisation needs two images")
    checkpoint: Literal["best", "last"]
    seed: NonNegativeInt
    A: ModelA
    B: ModelB


class PFGVM(Section):
    """P-FGVM (Table 2); its λ is attack.lambda."""

    step_size: PerModel[PositiveFloat] = Field(description="α of Table 2")
    iterations: PerModel[PositiveInt] = Field(description="N of Table 2")


class IFGVM(Section):
    """I-FGVM (Table 2)."""

    step_size: PerModel[PositiveFloat] = Field(description="α of Table 2")
    iterations: PerModel[PositiveInt] = Field(description="N of Table 2")
    epsilon: PerModel[PositiveFloat] = Field(description="ε of Table 2")


class IFGSM(Section):
    """I-FGSM (Table 2)."""

    iterations: PerModel[PositiveInt] = Field(description="N of Table 2; α is ε/N")
    epsilon: PerModel[PositiveFloat] = Field(description="ε of Table 2")


class PFGVMNoise(Section):
    """P-FGVM from Gaussian noise (Figure 2)."""

    images: PositiveInt | None = Field(description="how many images start from noise; null: all")
    mean: float = Field(description="μ of the noise, in pixel values")
    std: PositiveFloat = Field(description="σ of the noise, in pixel values")


class Attack(Section):
    """The attacks, and what the paper leaves open of them."""

    penalty: PerModel[NonNegativeFloat] = Field(alias="lambda", description="λ of Table 2")
    p_fgvm: PFGVM
    i_fgvm: IFGVM
    i_fgsm: IFGSM
    p_fgvm_noise: PFGVMNoise
    target: Literal["random", "least_likely", "second_most_likely"]
    seed: NonNegativeInt
    images_per_person: PositiveInt | None
    batch_size: PositiveInt
    precision: Literal["float32", "tf32"]


class Settings(Section):
    """All of params.yaml."""

    data: Data
    subset: Subset
    split: Split
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: PositiveInt = Field(description="CPU threads of training")
    train: Train
    attack: Attack

    @property
    def warnings(self) -> list[str]:
        """What may be set, but leaves Table 3 without a meaning: one sentence each (README: Which scale)."""
        found = []
        images = self.subset.persons * self.subset.images_per_person
        if images < MEANINGFUL_IMAGES:
            found.append(
                f"subset.persons x subset.images_per_person are {images} images: of fewer than {MEANINGFUL_IMAGES}, "
                "Model A learns so little that Table 3 means nothing (README: Which scale)"
            )
        if math.prod(self.data.image_size) < math.prod(MEANINGFUL_SIZE):
            height, width = self.data.image_size
            found.append(
                f"data.image_size is {height} x {width}: below {MEANINGFUL_SIZE[0]} x {MEANINGFUL_SIZE[1]}, the "
                "baselines' ε leaves them too little room for Table 3 to mean anything (README: Which scale)"
            )
        return found


def parse(values: Mapping[str, Any], source: str) -> Settings:
    """Check the parsed YAML `values` against the schema.

    `source` is the file's name for messages. Raises InputError that names every wrong key, what is wrong with it and,
    for an unknown key, the nearest known one.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [f"{source}: {_explained(problem, values)}" for problem in error.errors()]
        # One number for both models is checked twice but wrong once.
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def _explained(problem: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    path = _path_in_file(problem["loc"], values)
    key = ".".join(path) or "the file"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        return f"unknown setting {key}; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}")
    if problem["type"] == "missing":
        return f"setting {key} is missing or incomplete; the committed file shows its form"
    message = problem["msg"].removeprefix("Value error, ")
    given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
    return f"setting {key}: {message[0].lower()}{message[1:]}{given}"


def _path_in_file(location: tuple[str | int, ...], values: Any) -> list[str]:
    path = []
    for part in location:
        if not isinstance(values, Mapping):
            break
        path.append(str(part))
        values = values.get(part)
    return path


def _known_keys(path: list[str]) -> list[str]:
    section: Any = Settings
    for part in path:
        fields = {field.alias or name: field for name, field in section.model_fields.items()}
        section = fields[part].annotation
    return [field.alias or name for name, field in section.model_fields.items()]
