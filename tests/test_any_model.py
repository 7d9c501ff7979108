"""Every gradient attack on any model: it runs in eval mode and is unchanged afterwards, or is rejected.

The expected images come from a second model of the same weights, in eval mode, given as a plain function. P-FGVM is
also compared with its update equation in float64. test_attacks.py has the equations of the other methods.
"""

import contextlib
import functools
import math
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from pfgvm.attacks import cw_l2, ddn, fmn, i_fgsm, i_fgvm, p_fgvm
from pfgvm.errors import InputError

CLASSES = 5
STEPS = 3
IMAGES = torch.rand((4, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
TARGETS = torch.arange(4)

ITERATIVE = {
    "P-FGVM": functools.partial(p_fgvm, step_size=2.0, iterations=STEPS, penalty=0.22),
    "I-FGVM": functools.partial(i_fgvm, step_size=2.0, iterations=STEPS, epsilon=0.05),
    "I-FGSM": functools.partial(i_fgsm, iterations=STEPS, epsilon=0.06),
}
ATTACKS = {
    **ITERATIVE,
    "DDN": functools.partial(ddn, iterations=STEPS),
    "FMN": functools.partial(fmn, iterations=STEPS),
    "C&W-L2": functools.partial(cw_l2, search_steps=1, iterations=STEPS, learning_rate=0.05),
}
each_attack = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)


def p_fgvm_by_its_equation(model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor) -> Tensor:
    x = x_adv = images.double()
    for _ in range(STEPS):
        leaf = x_adv.to(images.dtype).clone().requires_grad_()
        logits = model(leaf.clone()).double()
        losses = logits.exp().sum(1).log() - logits[range(len(targets)), targets]
        g = torch.autograd.grad(losses.sum(), leaf)[0].double()
        x_adv = (x_adv - 2.0 * (g + 0.22 * (x_adv - x))).clamp(0, 1)
    return x_adv


def state(model: nn.Module) -> dict[str, Any]:
    """Everything in `model` that an attack could change."""
    values: dict[str, Any] = {}
    for name, module in model.named_modules():
        hooks = {key: dict(value) for key, value in vars(module).items() if key.endswith("_hooks")}
        # A frozen ScriptModule has no flag.
        values[f"module {name}"] = type(module), getattr(module, "training", False), hooks
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        gradient = None if value.grad is None else value.grad.tolist()
        values[name] = value.data_ptr(), value.dtype, value.tolist(), value.requires_grad, gradient
    return values


# ── The models ────────────────────────────────────────────────────────────────────────────────────────────────────


def network(*changed: tuple[int, nn.Module], channels: int = 3) -> nn.Sequential:
    """A small network in training mode. Its batch normalisation has statistics, so that eval mode matters."""
    layers = [
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(512, CLASSES),
    ]
    for index, layer in changed:
        layers[index] = layer
    return warm(nn.Sequential(*layers), channels)


def warm(model: nn.Module, channels: int = 3) -> nn.Module:
    model = model.double().train()
    with torch.no_grad():
        for _ in range(10):
            model(torch.rand(4, channels, 16, 16, dtype=torch.float64))
    return model


def changed(change: Callable[[nn.Module], Any]) -> nn.Module:
    model = network()
    change(model)
    return warm(model)


class Wrapped(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.register_module("downsample", None)

    def forward(self, x: Tensor) -> Any:
        return self.body(x)


class InPlace(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.sub_(0.5).mul_(2).relu_())


class Checkpointed(Wrapped):
    reentrant = False

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.body, x, use_reentrant=self.reentrant)


class Reentrant(Checkpointed):
    reentrant = True


class ReadsItsFlag(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.body(1 - x) if self.training else self.body(x)


class FrozenBatchNorm(nn.BatchNorm1d):
    """Stays in eval mode once a mode is set, as fine-tuning often needs."""

    def train(self, mode: bool = True) -> nn.Module:
        return super().train(False)


class RefusesEval(Wrapped):
    def train(self, mode: bool = True) -> nn.Module:
        raise NotImplementedError


class Averaged(Wrapped):
    """Uses averaged weights at inference: its eval() switches them on and its train() off."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(body)
        self.average = nn.Linear(CLASSES, CLASSES).double()
        self.switched = False

    def train(self, mode: bool = True) -> nn.Module:
        self.switched = not mode
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        return self.average(self.body(x)) if self.switched else self.body(x)


class TrainsAtInference(Wrapped):
    """Keeps a layer with statistics in training mode at inference."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(body)
        self.norm = nn.BatchNorm1d(CLASSES).double()

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.norm.training = True
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.body(x))


class Output(NamedTuple):
    logits: Tensor
    features: Tensor


class Returning(Wrapped):
    def __init__(self, of_logits: Callable[[Tensor], Any]) -> None:
        super().__init__(network())
        self.of_logits = of_logits

    def forward(self, x: Tensor) -> Any:
        return self.of_logits(self.body(x))


class NegativeReLU(nn.ReLU):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(-x)


def in_mixed_modes() -> nn.Module:
    model = network()
    model[1].eval()
    model.training = False
    return model


def with_gradients() -> nn.Module:
    model = network()
    nn.functional.cross_entropy(model(IMAGES), TARGETS).backward()
    model[0].bias.grad = None
    return model


def of_nan() -> nn.Module:
    model = network()
    nn.init.constant_(model[9].bias, torch.nan)
    return model


@dataclass(frozen=True)
class Case:
    """A kind of model. `wrap` converts it to the attacked function, if any; `logits` selects from its output."""

    make: Callable[[], nn.Module]
    images: Tensor = IMAGES
    wrap: Callable[[nn.Module], Any] = lambda model: model
    logits: Callable[[Any], Tensor] = lambda output: output
    tolerance: float = 1e-9  # relative to the perturbation's norm


CASES = {
    "in training mode": Case(network),
    "in eval mode": Case(lambda: network().eval()),
    "in mixed modes": Case(in_mixed_modes),
    "without gradients of weights": Case(lambda: network().requires_grad_(False)),
    "with gradients of weights": Case(with_gradients),
    "float32": Case(lambda: network().float(), IMAGES.float(), tolerance=1e-5),
    "float16": Case(lambda: network().half(), IMAGES.half(), tolerance=0.05),
    "bfloat16": Case(lambda: network().bfloat16(), IMAGES.bfloat16(), tolerance=0.3),
    "one channel": Case(lambda: network(channels=1), IMAGES[:, :1]),
    "images that are not contiguous": Case(network, IMAGES.transpose(2, 3)),
    # layers
    "in-place ReLU": Case(lambda: network((2, nn.ReLU(inplace=True)))),
    "in place on its input": Case(lambda: InPlace(network())),
    "subclass of ReLU": Case(lambda: network((6, NegativeReLU()))),
    "batch normalisation without statistics": Case(lambda: network((1, nn.BatchNorm2d(8, track_running_stats=False)))),
    "spectral norm": Case(lambda: changed(lambda model: parametrizations.spectral_norm(model[0]))),
    "spectral norm by hooks": Case(lambda: changed(lambda model: nn.utils.spectral_norm(model[0]))),
    "pruned": Case(lambda: changed(lambda model: prune.l1_unstructured(model[0], "weight", 0.5))),
    "forward hook": Case(lambda: changed(lambda model: model[4].register_forward_hook(lambda *given: 0.5 * given[2]))),
    "backward hook": Case(
        lambda: changed(lambda model: model[4].register_full_backward_hook(lambda *given: (0.5 * given[1][0],)))
    ),
    "no gradient of a weight": Case(lambda: changed(lambda model: model[0].weight.register_hook(pytest.fail))),
    # modes
    "reads its flag": Case(lambda: ReadsItsFlag(network())),
    "keeps a layer into eval mode": Case(lambda: nn.Sequential(network(), FrozenBatchNorm(CLASSES).double())),
    "keeps a layer in training mode": Case(lambda: TrainsAtInference(network()).train()),
    "refuses eval()": Case(lambda: RefusesEval(network().eval())),
    "averaged weights": Case(lambda: Averaged(network()).train()),
    "averaged weights, into eval mode": Case(lambda: Averaged(network()).eval()),
    "a part with averaged weights into eval mode": Case(lambda: Wrapped(Averaged(network()).eval())),
    # wrapped and rewritten
    "checkpointed": Case(lambda: Checkpointed(network())),
    "compiled": Case(lambda: torch.compile(network(), backend="eager")),
    "compiled in place": Case(lambda: changed(lambda model: model.compile(backend="eager"))),
    "scripted": Case(lambda: torch.jit.script(network()).train()),
    "scripted and frozen": Case(lambda: torch.jit.freeze(torch.jit.script(network().eval()))),
    "scripted part": Case(lambda: Wrapped(torch.jit.script(network()).train())),
    "traced": Case(lambda: torch.jit.trace(network().eval(), IMAGES)),
    "exported": Case(lambda: torch.export.export(network().eval(), (IMAGES,)).module()),
    "DistributedDataParallel": Case(lambda: nn.parallel.DistributedDataParallel(network())),
    # outputs
    "mapping": Case(lambda: Returning(lambda logits: {"logits": logits}), logits=lambda out: out["logits"]),
    "attribute": Case(
        lambda: Returning(lambda logits: types.SimpleNamespace(logits=logits)), logits=lambda out: out.logits
    ),
    "named tuple": Case(lambda: Returning(lambda logits: Output(logits, logits)), logits=lambda out: out.logits),
    # functions
    "function": Case(lambda: network().eval(), wrap=lambda model: lambda images: 0.5 * model(images)),
    "partial": Case(lambda: network().eval(), wrap=lambda model: functools.partial(lambda f, x: f(1 - x), model)),
}


@pytest.fixture(scope="module", autouse=True)
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The process group that DistributedDataParallel needs."""
    meeting = tmp_path_factory.mktemp("processes") / "meeting"
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def made(make: Callable[[], nn.Module]) -> nn.Module:
    """The same weights at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def in_eval_mode(case: Case) -> Callable[[Tensor], Tensor]:
    model = made(case.make)
    with contextlib.suppress(NotImplementedError):
        model.eval()
    attacked = case.wrap(model)
    return lambda images: case.logits(attacked(images))


@pytest.mark.filterwarnings("ignore")  # some kinds of models are deprecated
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_model_is_attacked_in_eval_mode_and_left_unchanged(case):
    model = made(case.make)
    attacked, before = case.wrap(model), state(model)
    plain = in_eval_mode(case)
    # The second-best class: a few steps may reach it.
    targets = plain(case.images.clone()).detach().topk(2, dim=1).indices[:, 1]
    results = {}
    for name, attack in ATTACKS.items():
        x_adv = results[name] = attack(attacked, case.images, targets)
        torch.testing.assert_close(x_adv, attack(plain, case.images, targets), rtol=0, atol=1e-9)
        assert not x_adv.requires_grad
        assert state(model) == before
    assert any(not torch.equal(results[name], case.images) for name in ATTACKS.keys() - ITERATIVE.keys())

    expected = p_fgvm_by_its_equation(plain, case.images, targets)
    perturbation = (expected - case.images.double()).norm()
    assert perturbation > 1e-6
    assert (results["P-FGVM"].double() - expected).norm() <= case.tolerance * perturbation


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_a_small_gradient(dtype):
    x = torch.tensor([0.75, 0.25], dtype=dtype).view(1, 1, 1, 2)
    x_adv = p_fgvm(lambda images: 20 * images.flatten(1), x, torch.tensor([0]), step_size=100, iterations=1, penalty=0)
    # ∇ℓ = 20 (softmax − one-hot), and the softmax of the other class is 1 / (1 + e¹⁰).
    change = 100 * 20 / (1 + math.exp(10))
    assert (x_adv - x).flatten().tolist() == pytest.approx([change, -change], abs=0.005)


# ── Callers ───────────────────────────────────────────────────────────────────────────────────────────────────────


@each_attack
def test_the_callers_gradient_mode_does_not_matter(attack):
    expected = attack(made(network), IMAGES, TARGETS)
    with torch.no_grad():
        x_adv = attack(made(network), IMAGES, TARGETS)
        assert not torch.is_grad_enabled()
    assert torch.equal(x_adv, expected)


@each_attack
def test_images_with_a_graph_get_no_gradient(attack):
    leaf = IMAGES.clone().requires_grad_()
    for images in (leaf, 1.0 * leaf):
        x_adv = attack(made(network), images, TARGETS)
        assert torch.equal(x_adv, attack(made(network), IMAGES, TARGETS))
        assert not x_adv.requires_grad and leaf.grad is None and images.requires_grad
    assert torch.equal(leaf, IMAGES)


@each_attack
def test_modes_are_restored_when_the_model_fails(attack):
    model = made(in_mixed_modes)
    calls = iter((0, 1))
    # At the second call, which is adv-lib's in its attacks.
    model[4].register_forward_pre_hook(lambda layer, inputs: 1 / 0 if next(calls) else None)
    before = state(model)
    with pytest.raises(ZeroDivisionError):
        attack(model, IMAGES, TARGETS)
    assert state(model) == before


class CountReads(TorchDispatchMode):
    """Counts the operations that synchronise with a GPU: values read by Python, shapes that depend on values."""

    READS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.count += function.overloadpacket.__name__ in self.READS
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("attack", ITERATIVE.values(), ids=ITERATIVE)
def test_no_iteration_synchronises_with_the_device(attack):
    def reads(iterations: int) -> int:
        with CountReads() as counter:
            attack(made(network), IMAGES, TARGETS, iterations=iterations)
        return counter.count

    assert 0 < reads(1) == reads(4)


# ── Models that cannot be attacked ────────────────────────────────────────────────────────────────────────────────

REFUSED = {
    "of another type": (lambda: network().half(), "float16.*float64"),
    "on the meta device": (lambda: network().to("meta"), "0.weight .* meta device"),
    "re-entrant checkpointing": (lambda: Reentrant(network()), "use_reentrant=False"),
    "number": (lambda: 3, "callable, not int"),
    "tuple": (lambda: Returning(lambda logits: (logits, None)), r"tuple.*model\(images\)\[0\]"),
    "None": (lambda: Returning(lambda logits: None), "NoneType"),
    "mapping without logits": (lambda: Returning(lambda logits: {"scores": logits}), "dict"),
    "feature maps": (lambda: Returning(lambda logits: logits[:, :, None]), r"shape \(4, 5, 1\)"),
    "one row": (lambda: Returning(lambda logits: logits[:1]), r"shape \(1, 5\)"),
    "integers": (lambda: Returning(lambda logits: logits.round().long()), "int64"),
    "one logit": (lambda: Returning(lambda logits: logits[:, :1]), "one logit"),
    "too few classes": (lambda: Returning(lambda logits: logits[:, :3]), "0 … 2, .* not 3"),
    "NaN": (of_nan, "NaN"),
    "detached": (lambda: Returning(torch.detach), "differentiably"),
    "constant": (lambda: Returning(lambda logits: torch.ones_like(logits).requires_grad_()), "differentiably"),
    "without a graph": (lambda: torch.no_grad()(network().eval()), "differentiably"),
}


@pytest.mark.parametrize(("make", "cause"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_cannot_be_attacked_is_refused(make, cause):
    model = make()
    for attack in ATTACKS.values():
        with pytest.raises(InputError, match=cause):
            attack(model, IMAGES, TARGETS)
    if isinstance(model, nn.Module):
        assert all(module.training for module in model.modules())
