"""What training says of a model: the numbers of Tables 1 and 4, and how they came about."""

from pydantic import BaseModel, ConfigDict


class Layer(BaseModel):
    """One row of Table 1: the layer in the paper's words, its output (C x H x W), its number of parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: str
    output: str
    parameters: int


class TrainingRecord(BaseModel):
    """What was trained, on what, how, and how well. Accuracies are in [0, 1]; sizes are numbers of images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    descriptor: str
    """The name of Model B's descriptor; `none` for Model A."""
    descriptor_sha256: str | None
    frozen: bool | None
    """Whether the descriptor was frozen; None for a model without one."""
    dataset: str
    classes: list[str]
    """The persons' names, in the order of the logits."""
    images: int
    image_height: int
    image_width: int
    train_size: int
    validation_size: int
    test_size: int
    normalization: str
    learning_rate: float
    optimization: str
    loss: str
    batch_size: int
    epochs: int
    epoch_used: int
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    layers: list[Layer]
    device: str
    versions: dict[str, str]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height, width in pixels."""
        return self.image_height, self.image_width
