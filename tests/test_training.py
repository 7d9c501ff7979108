"""Training against plain Adam with the regulariser in the loss, its checkpoints, and its repeatability."""

import copy

import pytest
import torch
from torch import Tensor, nn

from pfgvm.models import model_a, training
from pfgvm.models.training import LabelledData, evaluate, features, train

CPU = torch.device("cpu")
SETTINGS = {
    "epochs": 3,
    "learning_rate": 0.01,
    "batch_size": 4,
    "seed": 1,
    "checkpoint": "last",
    "device": CPU,
}


def tiny(dropout: float = 0.0) -> nn.Sequential:
    """From 6 numbers to 3 classes; the first layer is regularised."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3)).double()
    model[0].l2 = 0.05
    return model


def points(count: int, seed: int = 0) -> LabelledData:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=generator, dtype=torch.float64)
    return LabelledData(inputs, torch.randint(3, (count,), generator=generator))


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_regularizer_is_keras_term_of_the_loss():
    examples, model, expected = points(12), tiny(), tiny()
    optimizer = torch.optim.Adam(expected.parameters(), lr=0.01, betas=(0.9, 0.999), eps=1e-7)
    for _ in range(20):
        loss = nn.functional.cross_entropy(expected(examples.inputs), examples.classes)
        loss = loss + 0.05 * expected[0].weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # one batch per epoch: its order changes only the last digits
    train(model, examples, examples, **SETTINGS | {"epochs": 20, "batch_size": 12})
    torch.testing.assert_close(weights(model), weights(expected), rtol=1e-8, atol=1e-10)


def test_only_the_tagged_kernels_decay(monkeypatch):
    made = []

    class Spy(torch.optim.Adam):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            made.append(self)

    monkeypatch.setattr(torch.optim, "Adam", Spy)
    model = model_a(2, (8, 8))
    model.conv1.requires_grad_(False)
    images = LabelledData(torch.zeros(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]))
    train(model, images, images, **SETTINGS | {"epochs": 1, "learning_rate": 1e-4})

    (adam,) = made
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = adam.param_groups
    decays = {names[parameter]: group["weight_decay"] for group in groups for parameter in group["params"]}
    frozen = {"conv1.weight", "conv1.bias"}
    regularized = {"conv2.weight", "fc1.weight"}
    assert decays == {name: 0.002 * (name in regularized) for name in names.values() if name not in frozen}
    assert all((group["lr"], group["eps"], group["betas"]) == (1e-4, 1e-7, (0.9, 0.999)) for group in groups)


def test_the_best_checkpoint_is_that_of_highest_accuracy_then_lowest_loss(monkeypatch):
    scripted = [(0.1, 0.7), (0.9, 0.8), (0.6, 0.8), (0.6, 0.8), (0.8, 0.8), (0.05, 0.75)]

    def trained(epochs: int, checkpoint: str):
        results = iter(scripted)
        monkeypatch.setattr(training, "evaluate", lambda *_: next(results))
        model = tiny(dropout=0.5)
        return model, train(model, points(10), points(4), **SETTINGS | {"epochs": epochs, "checkpoint": checkpoint})

    best, facts = trained(6, "best")
    assert facts.epoch_used == 3
    assert [(row.epoch, row.validation_loss, row.validation_accuracy) for row in facts.history] == [
        (epoch, *result) for epoch, result in enumerate(scripted, 1)
    ]
    third, _ = trained(3, "last")
    assert torch.equal(weights(best), weights(third))

    last, facts = trained(6, "last")
    assert facts.epoch_used == 6 and not torch.equal(weights(last), weights(third))
    assert not best.training and not last.training


def test_two_runs_are_equal_to_the_bit():
    def trained(seed: int) -> Tensor:
        torch.rand(seed)  # whatever was drawn before
        model = tiny(dropout=0.5)
        train(model, points(10), points(4), **SETTINGS | {"seed": seed})
        return weights(model)

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


class Watch(nn.Module):
    """Returns its inputs and records them."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.batches.append(inputs)
        return inputs


@pytest.mark.parametrize("count, sizes", [(8, [4, 4]), (10, [4, 4, 2]), (9, [4, 5]), (3, [3])])
def test_every_epoch_takes_each_example_once_and_none_alone(count, sizes):
    watch, examples = Watch(), points(count)
    train(nn.Sequential(watch, tiny()), examples, points(4), **SETTINGS | {"epochs": 2})
    assert [len(batch) for batch in watch.batches] == 2 * sizes
    first, second = (torch.cat(watch.batches[i : i + len(sizes)]) for i in (0, len(sizes)))
    assert not torch.equal(first, second)
    for epoch in (first, second):
        assert torch.equal(epoch[:, 0].sort().values, examples.inputs[:, 0].sort().values)


def test_the_order_depends_on_the_seed():
    orders = []
    for seed in (1, 1, 2):
        watch = Watch()
        train(nn.Sequential(watch, tiny()), points(12), points(4), **SETTINGS | {"epochs": 1, "seed": seed})
        orders.append(torch.cat(watch.batches))
    assert torch.equal(orders[0], orders[1]) and not torch.equal(orders[0], orders[2])


def test_the_curves_are_means_over_examples():
    # at learning rate 0 the model is constant: training and evaluation use the same function
    examples, model = points(9), tiny()
    (row,) = train(model, examples, examples, **SETTINGS | {"epochs": 1, "learning_rate": 0.0}).history
    logits = tiny()(examples.inputs)
    loss = nn.functional.cross_entropy(logits, examples.classes).item()
    accuracy = (logits.argmax(1) == examples.classes).float().mean().item()
    assert 0 < accuracy < 1
    assert (row.train_loss, row.validation_loss) == pytest.approx((loss, loss), rel=1e-6)
    assert (row.train_accuracy, row.validation_accuracy) == pytest.approx((accuracy, accuracy), rel=1e-6)


def test_evaluation_drops_nothing():
    model = tiny(dropout=0.9).train()
    expected = nn.functional.cross_entropy(tiny()(points(9).inputs), points(9).classes).item()
    assert evaluate(model, points(9), 4, CPU)[0] == pytest.approx(expected, rel=1e-12)


def test_the_callers_random_numbers_stay_as_they_were():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    model = tiny(dropout=0.5)
    train(model, points(8), points(4), **SETTINGS)
    assert torch.equal(torch.rand(2), expected)


def test_progress_receives_every_epoch():
    shown = []

    def progress(epochs):
        for epoch in epochs:
            shown.append(epoch)
            yield epoch

    train(tiny(), points(8), points(4), **SETTINGS, progress=progress)
    assert shown == [1, 2, 3]


def labelled_images(count: int) -> LabelledData:
    """Noise, 0-255: class 0 is darker on the left, class 1 on the right."""
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 200, (count, 3, 16, 12), generator=generator, dtype=torch.uint8)
    classes = torch.arange(count) % 2
    images[classes == 0, :, :, 6:] += 55
    images[classes == 1, :, :, :6] += 55
    return LabelledData(images, classes)


def test_model_a_learns_an_easy_problem():
    torch.manual_seed(0)
    model = model_a(2, (16, 12))
    settings = {"epochs": 80, "learning_rate": 1e-3, "batch_size": 8, "checkpoint": "best"}
    train(model, labelled_images(48), labelled_images(24), **SETTINGS | settings)
    assert evaluate(model, labelled_images(48), 8, CPU)[1] == evaluate(model, labelled_images(30), 8, CPU)[1] == 1


def test_bytes_enter_as_numbers_from_0_to_1():
    examples = labelled_images(4)
    images, classes = examples.batch(torch.tensor([2, 0]), CPU)
    assert images.dtype == torch.float32 and images.max() <= 1
    assert torch.equal((images * 255).round().byte(), examples.inputs[[2, 0]])
    assert torch.equal(classes, examples.classes[[2, 0]])


def test_features_are_the_descriptors_outputs():
    descriptor = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(0.5)).train()
    examples = labelled_images(7)
    outputs = features(descriptor, examples, 3, CPU)
    expected = descriptor.eval()(examples.inputs / 255)
    torch.testing.assert_close(outputs.inputs, expected.detach(), rtol=1e-5, atol=1e-6)
    assert not outputs.inputs.requires_grad
    assert torch.equal(outputs.classes, examples.classes)


class Killed(Exception):
    """Ends training as a signal would."""


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_a_training_that_was_killed_goes_on_to_the_same_digits(checkpoint):
    settings = SETTINGS | {"epochs": 6, "checkpoint": checkpoint}
    unbroken = tiny(dropout=0.5)
    expected = train(unbroken, points(10), points(4), **settings)

    for epochs_done in range(1, 7):
        checkpoints = []

        def keep_and_die(state, checkpoints=checkpoints, last=epochs_done):
            if len(state.history) == last:
                checkpoints.append(copy.deepcopy(state))
                raise Killed

        with pytest.raises(Killed):
            train(tiny(dropout=0.5), points(10), points(4), keep=keep_and_die, **settings)
        model = tiny(dropout=0.5)
        torch.rand(3)  # whatever was drawn in between
        to_come = []
        resumed = train(
            model,
            points(10),
            points(4),
            start=checkpoints[0],
            progress=lambda epochs, started=to_come: (started.append(epoch) or epoch for epoch in epochs),
            **settings,
        )
        assert to_come == list(range(epochs_done + 1, 7))
        assert resumed == expected
        assert torch.equal(weights(model), weights(unbroken))
