"""Record of a training run: the numbers of Tables 1 and 4 and their provenance."""

from pydantic import BaseModel, ConfigDict


class Layer(BaseModel):
    """One row of Table 1: the layer in the paper's notation, its output (C x H x W) and number of parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: str
    output: str
    parameters: int


class TrainingRecord(BaseModel):
    """Model, data, hyperparameters and accuracies of a training run. Accuracies are in [0, 1]; sizes count images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    descriptor: str
    """Name of Model B's descriptor; `none` for Model A."""
    descriptor_sha256: str | None
    frozen: bool | None
    """Whether the descriptor was frozen; None without a descriptor."""
    dataset: str
    classes: list[str]
    """Names of the identities, in the order of the logits."""
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
