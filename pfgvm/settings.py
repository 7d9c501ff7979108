"""The schema of params.yaml: one class a section, every key checked before anything runs."""

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationError,
    field_validator,
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


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("each name once")
    return names


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


class PFGVMFeatures(Section):
    """P-FGVM on the features of face descriptors."""

    descriptors: Annotated[list[Annotated[str, AfterValidator(_known_descriptor)]], AfterValidator(_each_once)] = Field(
        min_length=1, description="the face descriptors to move away from"
    )
    step_size: PositiveFloat = Field(description="α")
    iterations: PositiveInt = Field(description="N")
    penalty: NonNegativeFloat = Field(alias="lambda", description="λ, the weight of the pull back to the original")
    views: PositiveInt = Field(description="random views a step, over which the gradient is summed")
    scale: float = Field(ge=0, le=1, description="by how much a view is larger or smaller at most")
    shift: float = Field(ge=0, le=1, description="by how much of the image it is moved at most")
    masking: NonNegativeFloat = Field(
        description="exponent of the weight of pixels that hide a change; 0: all weigh alike"
    )
    chroma: float = Field(ge=0, le=1, description="the part of the gradient's colour that is kept")


class MinimumNorm(Section):
    """DDN and FMN, which look for the smallest L2 that reaches the target."""

    iterations: PositiveInt = Field(description="steps of the search")


class CarliniWagner(Section):
    """C&W-L2 (Carlini and Wagner 2017)."""

    search_steps: PositiveInt = Field(description="values of the trade-off constant that are tried")
    iterations: PositiveInt = Field(description="steps of Adam for each of them")
    learning_rate: PositiveFloat


class Pixelation(Section):
    """Pixelation: square blocks of one colour."""

    blocks: PositiveInt = Field(description="blocks across the image's width")


class GaussianBlur(Section):
    """Gaussian blur."""

    sigma: PositiveFloat = Field(description="standard deviation, in widths of the image")


class KSame(Section):
    """k-Same (Newton et al. 2005): the mean of k persons' faces."""

    k: int = Field(ge=2, description="persons who share one face")


class Attack(Section):
    """The attacks, and what the paper leaves open of them."""

    penalty: PerModel[NonNegativeFloat] = Field(alias="lambda", description="λ of Table 2")
    p_fgvm: PFGVM
    i_fgvm: IFGVM
    i_fgsm: IFGSM
    p_fgvm_noise: PFGVMNoise
    p_fgvm_features: PFGVMFeatures
    ddn: MinimumNorm
    fmn: MinimumNorm
    cw_l2: CarliniWagner
    pixelation: Pixelation
    gaussian_blur: GaussianBlur
    k_same: KSame
    target: Literal["random", "least_likely", "second_most_likely"]
    seed: NonNegativeInt
    images_per_person: PositiveInt | None
    batch_size: PositiveInt


def _inside_root(file: str) -> str:
    path = PurePath(file)
    if path.is_absolute() or ".." in path.parts:
        # DVC hashes the folder, so that another file in its place makes stale what was made with it.
        raise ValueError("names a file outside evaluation.root; put the file there, and give its path from there")
    return file


# A file in evaluation.root.
RootFile = Annotated[str, Field(min_length=1), AfterValidator(_inside_root)]


class OnnxRecogniser(Section):
    """A recogniser of the user's own: an ONNX file, and how it wants its faces."""

    file: RootFile = Field(description="path of the file from evaluation.root")
    input_size: Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)] = Field(
        description="height, width of its input"
    )
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: Annotated[tuple[float, float, float], Field(strict=False)] = Field(
        (0.0, 0.0, 0.0), description="taken from the values 0 to 255, in the order of `channels`"
    )
    scale: PositiveFloat = Field(1.0, description="what the rest is multiplied with")
    output: str | None = Field(None, description="name of the output that is the embedding; null: the only one")
    centred: bool = Field(False, description="whether the mean embedding of other persons is taken from each")


# By its kind, so that a wrong line is not also explained as one of the other kind.
RecogniserLine = Annotated[
    Annotated[Literal["installed"], Tag("word")] | Annotated[OnnxRecogniser, Tag("described")],
    Discriminator(lambda line: "described" if isinstance(line, Mapping | OnnxRecogniser) else "word"),
]


class Calibration(Section):
    """Images of persons other than those recognised, from which thresholds come."""

    persons: PositiveInt = Field(description="at most so many persons")
    images_per_person: PositiveInt = Field(description="at most so many images of each")


class Curves(Section):
    """Values at which the methods' trade-off is measured, besides those of `attack`."""

    images: PositiveInt | None = Field(description="how many of the attacked images; null: all")
    penalty: list[NonNegativeFloat] = Field(alias="lambda", description="λ of P-FGVM")
    epsilon: list[PositiveFloat] = Field(description="ε of I-FGVM and I-FGSM")
    strengths: list[PositiveFloat] = Field(description="strengths of methods, 1 being that of the settings")


class Evaluation(Section):
    """What is measured beyond the paper."""

    root: str = Field(min_length=1, description="folder of the user's own recognisers, and of LPIPS' weights")
    recognisers: dict[str, RecogniserLine] = Field(min_length=1)
    calibration: Calibration
    curves: Curves
    lpips: RootFile | None = Field(description="file in `root` with AlexNet's weights; null: no LPIPS")

    @field_validator("recognisers")
    @classmethod
    def _named(cls, recognisers: dict[str, Any]) -> dict[str, Any]:
        for name in recognisers:
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"{name!r}: names consist of small letters, digits and _")
        return recognisers


class Page(Section):
    """The report's page."""

    faces_mb: NonNegativeFloat = Field(description="so many megabytes of faces it holds itself")


class Settings(Section):
    """All of params.yaml."""

    data: Data
    subset: Subset
    split: Split
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: PositiveInt = Field(description="CPU threads of training")
    train: Train
    attack: Attack
    evaluation: Evaluation
    page: Page

    @model_validator(mode="after")
    def _an_image_for_each_split(self) -> "Settings":
        images = self.subset.images_per_person
        scarce, share = min(self.split.shares.items(), key=lambda item: item[1])
        # Rounded as the split is: in binary 0.29 * 100 falls short of 29.
        if round(images * share, 9) < 1:
            raise ValueError(
                f"subset.images_per_person is {images}, of which the share split.{scarce}, {share:g}, is no whole "
                "image; raise either"
            )
        return self

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


# Settings of older versions, and what took their place.
_GONE = {
    "evaluation.parts": "`make evaluation` runs the whole evaluation, `dvc repro stages/evaluation/dvc.yaml:TABLE` "
    "what one table of it needs",
}


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
    key = ".".join(path)
    if key in _GONE:
        return f"setting {key} is gone: {_GONE[key]}; delete it"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        return f"unknown setting {key}; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}")
    if problem["type"] == "missing":
        return f"setting {key} is missing or incomplete; the committed file shows its form"
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    given = "" if isinstance(problem["input"], dict) else f" (given: {problem['input']!r})"
    return f"setting {key}: {message[0].lower()}{message[1:]}{given}"


def _path_in_file(location: tuple[str | int, ...], values: Any) -> list[str]:
    path = []
    for place, part in enumerate(location):
        if not isinstance(values, Mapping):
            break
        # A part on the way that is no key is pydantic's name for a kind of value.
        if part in values or place == len(location) - 1:
            path.append(str(part))
            values = values.get(part)
    return path


def _known_keys(path: list[str]) -> list[str]:
    section: Any = Settings
    parts = iter(path)
    for part in parts:
        fields = {field.alias or name: field for name, field in section.model_fields.items()}
        section = fields[part].annotation
        if get_origin(section) is dict:
            # Its keys are names of the user's own.
            next(parts, None)
            section = _section_in(section)
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_in(annotation: Any) -> Any:
    """The section that the type `annotation` is built of."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
