"""Schema of params.yaml: one class per section. All settings are checked before a stage runs."""

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
# Below these, the baseline attacks fail on many images, whatever P-FGVM does.
MEANINGFUL_IMAGES = 600
MEANINGFUL_SIZE = (109, 89)


def _for_both_models(value: Any) -> Any:
    return value if isinstance(value, dict) else dict.fromkeys(MODEL_NAMES, value)


def _named_for_both(value: dict[str, Any]) -> dict[str, Any]:
    if set(value) != set(MODEL_NAMES):
        raise ValueError("give one number for both models, or a mapping with the keys A and B")
    return value


def _valid_model(name: str) -> str:
    if name not in MODEL_NAMES:
        raise ValueError(f"must be {' or '.join(MODEL_NAMES)}")
    return name


T = TypeVar("T")
ModelName = Annotated[str, AfterValidator(_valid_model)]
# One number, or one per model; always parsed to a mapping.
PerModel = Annotated[dict[ModelName, T], BeforeValidator(_for_both_models), AfterValidator(_named_for_both)]


def _valid_descriptor(name: str) -> str:
    # Imported here, since most programs read settings without using a model.
    from pfgvm.models.descriptors import DESCRIPTORS

    if name not in DESCRIPTORS:
        raise ValueError(f"must be {' or '.join(DESCRIPTORS)}")
    return name


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("contains a name twice; give each name once")
    return names


class Section(BaseModel):
    """A section of params.yaml; unknown keys and values of another type are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Data(Section):
    """Source and size of the face images."""

    source: Literal["synthetic", "celeba", "folder"] = Field(description="source of the face images")
    root: str = Field(min_length=1, description="folder of the face images")
    # Two poolings by 2 (Model A) need at least 4 pixels, five (VGG-16) at least 32.
    image_size: Annotated[tuple[int, int], Field(strict=False)] = Field(description="height, width in pixels")

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if min(self.image_size) < 32:
            raise ValueError("image_size must be at least 32 x 32 pixels; give a larger one")
        if self.source != "synthetic" and PurePath(self.root).name == "synthetic-faces":
            raise ValueError(f"source is {self.source}, but root names the synthetic faces; set data.root")
        return self


class Subset(Section):
    """Number of identities and images that are drawn."""

    persons: int = Field(ge=2, description="number of identities (paper: 30)")
    images_per_person: int = Field(ge=3, description="images per identity (paper: 30); at least one per split")
    seed: NonNegativeInt


class Split(Section):
    """Shares of the images per split, which sum to 1 (Table 4)."""

    train: PositiveFloat = Field(lt=1, description="share (Table 4: 0.70)")
    validation: PositiveFloat = Field(lt=1, description="share (Table 4: 0.15)")
    test: PositiveFloat = Field(lt=1, description="share (Table 4: 0.15)")
    seed: NonNegativeInt

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split, in [0, 1]."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @model_validator(mode="after")
    def _whole(self) -> "Split":
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test must sum to 1, not {total:g}")
        return self


class ModelA(Section):
    """Training of Model A."""

    epochs: PositiveInt = Field(description="Table 4: 147")


class ModelB(Section):
    """Training of Model B, and its face descriptor."""

    epochs: PositiveInt = Field(description="Table 4: 144")
    descriptor: Annotated[str, AfterValidator(_valid_descriptor)]
    weights: str = Field(
        min_length=1, description="weights file of the descriptor; an empty file stands for the installed weights"
    )
    freeze_descriptor: bool


class Train(Section):
    """Training of both models (Table 4)."""

    learning_rate: PositiveFloat = Field(description="Table 4: 1e-4")
    batch_size: int = Field(ge=2, description="Table 4: 16; batch normalisation needs at least 2")
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

    images: PositiveInt | None = Field(description="number of images that start from noise; null: all")
    mean: float = Field(description="mean μ of the noise, in pixel values")
    std: PositiveFloat = Field(description="standard deviation σ of the noise, in pixel values")


class OnDescriptors(Section):
    """The settings that the methods on face descriptors share."""

    descriptors: Annotated[list[Annotated[str, AfterValidator(_valid_descriptor)]], AfterValidator(_unique)] = Field(
        min_length=1, description="face descriptors whose feature distance is maximised"
    )
    step_size: PositiveFloat = Field(description="α")
    iterations: PositiveInt = Field(description="N")
    penalty: NonNegativeFloat = Field(alias="lambda", description="λ, the weight of the pull to the original")
    views: PositiveInt = Field(description="number of random views per step; their gradients are summed")
    scale: float = Field(ge=0, le=1, description="largest relative enlargement or reduction of a view")
    shift: float = Field(ge=0, le=1, description="largest shift of a view, relative to the image")
    mirror: bool = Field(description="whether each view is mirrored with probability 1/2")
    masking: NonNegativeFloat = Field(description="exponent of the visual masking weight of the pixels; 0: none")
    chroma: float = Field(ge=0, le=1, description="share of the pixels' chroma that remains")


class PFGVMFeatures(OnDescriptors):
    """P-FGVM (features): P-FGVM on the features of face descriptors."""


class ShapeSizes(Section):
    """Sizes of P-FGVM (shape): means over the face; 0 leaves a part out."""

    displacement: NonNegativeFloat = Field(description="length of the displacement, in pixels of a 218 x 178 image")
    shading: NonNegativeFloat = Field(description="change of mid-grey, in per cent")
    pixels: NonNegativeFloat = Field(description="change of a pixel, in per cent of its range")


class PFGVMShape(OnDescriptors):
    """P-FGVM (shape): P-FGVM on the shape, the light and the pixels of a face."""

    natural: ShapeSizes
    strong: ShapeSizes


class MinimumNorm(Section):
    """DDN and FMN, minimum-norm attacks."""

    iterations: PositiveInt = Field(description="steps of the search")


class CarliniWagner(Section):
    """C&W-L2, a minimum-norm attack (Carlini and Wagner 2017)."""

    search_steps: PositiveInt = Field(description="number of values of the trade-off constant c")
    iterations: PositiveInt = Field(description="steps of Adam per value of c")
    learning_rate: PositiveFloat


class Pixelation(Section):
    """Pixelation: square blocks of their mean colour."""

    blocks: PositiveInt = Field(description="blocks across the image's width")


class GaussianBlur(Section):
    """Gaussian blur."""

    sigma: PositiveFloat = Field(description="standard deviation, relative to the image width")


class KSame(Section):
    """k-Same (Newton et al. 2005): the mean of k identities' faces."""

    k: int = Field(ge=2, description="number of identities that share one face")


class Attack(Section):
    """All methods, with the choices that the paper leaves open."""

    penalty: PerModel[NonNegativeFloat] = Field(alias="lambda", description="λ of Table 2")
    p_fgvm: PFGVM
    i_fgvm: IFGVM
    i_fgsm: IFGSM
    p_fgvm_noise: PFGVMNoise
    p_fgvm_features: PFGVMFeatures
    p_fgvm_shape: PFGVMShape
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
        # DVC hashes only this folder: results would not be recomputed after a change of a file elsewhere.
        raise ValueError("is a file outside evaluation.root; move it there and give its path relative to that folder")
    return file


# A file in evaluation.root.
RootFile = Annotated[str, Field(min_length=1), AfterValidator(_inside_root)]


class OnnxRecogniser(Section):
    """A user's recogniser: an ONNX file and the format of its input."""

    file: RootFile = Field(description="file path relative to evaluation.root")
    input_size: Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)] = Field(
        description="height, width of the input"
    )
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: Annotated[tuple[float, float, float], Field(strict=False)] = Field(
        (0.0, 0.0, 0.0), description="subtracted from the values 0 to 255, in the order of `channels`"
    )
    scale: PositiveFloat = Field(1.0, description="factor applied after the subtraction")
    output: str | None = Field(None, description="name of the embedding output; null: the only output")
    centred: bool = Field(False, description="whether the mean embedding of other identities is subtracted")


# Discriminated, so that an error message covers only the kind of line that was given.
RecogniserLine = Annotated[
    Annotated[Literal["installed"], Tag("word")] | Annotated[OnnxRecogniser, Tag("described")],
    Discriminator(lambda line: "described" if isinstance(line, Mapping | OnnxRecogniser) else "word"),
]


class Calibration(Section):
    """Images of other identities, from which thresholds are estimated."""

    persons: PositiveInt = Field(description="maximum number of identities")
    images_per_person: PositiveInt = Field(description="maximum number of images per identity")


class Curves(Section):
    """Parameter values of the trade-off curves, in addition to those of `attack`."""

    images: PositiveInt | None = Field(description="number of attacked images; null: all")
    penalty: list[NonNegativeFloat] = Field(alias="lambda", description="λ of P-FGVM")
    epsilon: list[PositiveFloat] = Field(description="ε of I-FGVM and I-FGSM")
    strengths: list[PositiveFloat] = Field(description="strengths of the methods, relative to their settings (1)")


class Evaluation(Section):
    """The evaluation beyond the paper."""

    root: str = Field(min_length=1, description="folder of the user's recognisers and of LPIPS' weights")
    recognisers: dict[str, RecogniserLine] = Field(min_length=1)
    calibration: Calibration
    curves: Curves
    lpips: RootFile | None = Field(description="file of AlexNet's weights in `root`; null: no LPIPS")

    @field_validator("recognisers")
    @classmethod
    def _named(cls, recognisers: dict[str, Any]) -> dict[str, Any]:
        for name in recognisers:
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"{name!r} is no valid name; use lower-case letters, digits and _")
        return recognisers


class Page(Section):
    """The report page."""

    faces_mb: NonNegativeFloat = Field(description="megabytes of face images embedded in the page")


class Settings(Section):
    """All of params.yaml."""

    data: Data
    subset: Subset
    split: Split
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: PositiveInt = Field(description="CPU threads for training")
    train: Train
    attack: Attack
    evaluation: Evaluation
    page: Page

    @model_validator(mode="after")
    def _an_image_for_each_split(self) -> "Settings":
        images = self.subset.images_per_person
        split, share = min(self.split.shares.items(), key=lambda item: item[1])
        # Rounded as in the split: in binary 0.29 * 100 is below 29.
        if round(images * share, 9) < 1:
            raise ValueError(
                f"subset.images_per_person is {images}, of which split.{split}, {share:g}, is less than one image; "
                "raise one of them"
            )
        return self

    @property
    def warnings(self) -> list[str]:
        """Warnings about settings that make Table 3 meaningless, one sentence each (docs/scale.md)."""
        sentences = []
        images = self.subset.persons * self.subset.images_per_person
        if images < MEANINGFUL_IMAGES:
            sentences.append(
                f"subset.persons x subset.images_per_person is {images} images: with fewer than {MEANINGFUL_IMAGES}, "
                "Model A is too inaccurate for Table 3 to be meaningful (docs/scale.md)"
            )
        if math.prod(self.data.image_size) < math.prod(MEANINGFUL_SIZE):
            height, width = self.data.image_size
            sentences.append(
                f"data.image_size is {height} x {width}: below {MEANINGFUL_SIZE[0]} x {MEANINGFUL_SIZE[1]}, the "
                "baselines' ε allows too small a perturbation for Table 3 to be meaningful (docs/scale.md)"
            )
        return sentences


# Settings of older versions, and their replacements.
_REMOVED = {
    "evaluation.parts": "`make evaluation` runs the whole evaluation, `dvc repro stages/evaluation/dvc.yaml:TABLE` "
    "the stages of one table",
}


def parse(values: Mapping[str, Any], source: str) -> Settings:
    """Check the parsed YAML `values` against the schema.

    source: file name for messages. Raises InputError that lists every invalid key with the cause and, for an unknown
    key, the closest valid one.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [f"{source}: {_explanation(problem, values)}" for problem in error.errors()]
        # One number for both models is checked twice but should be reported once.
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def _explanation(problem: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    path = _path_in_file(problem["loc"], values)
    key = ".".join(path)
    if key in _REMOVED:
        return f"setting {key} was removed: {_REMOVED[key]}; delete it"
    if problem["type"] == "extra_forbidden":
        valid_keys = _valid_keys(path[:-1])
        closest = difflib.get_close_matches(path[-1], valid_keys, n=1)
        return f"unknown setting {key}; " + (
            f"did you mean {closest[0]}?" if closest else f"valid here: {', '.join(valid_keys)}"
        )
    if problem["type"] == "missing":
        return f"setting {key} is missing or incomplete; see the committed file for its form"
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
        # A part of the path that is no key is pydantic's name of a union member.
        if part in values or place == len(location) - 1:
            path.append(str(part))
            values = values.get(part)
    return path


def _valid_keys(path: list[str]) -> list[str]:
    section: Any = Settings
    parts = iter(path)
    for part in parts:
        fields = {field.alias or name: field for name, field in section.model_fields.items()}
        section = fields[part].annotation
        if get_origin(section) is dict:
            # The keys of a mapping are user-defined names.
            next(parts, None)
            section = _section_in(section)
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_in(annotation: Any) -> Any:
    """Section class inside the type `annotation`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
