"""Any model through every gradient attack: the update equation's images, and the caller's model left as it was.

The equation is written out in float64 on a second model of the same weights, in eval mode as its own `eval()` puts it;
the references of adv-lib make of any model what they make of that second model as a plain function.
"""

import contextlib
import copy
import functools
import hashlib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from pfgvm.attacks import cw_l2, ddn, fmn, i_fgsm, i_fgvm, p_fgvm
from pfgvm.errors import InputError

CLASSES = 5
STEPS = 3


def random_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


IMAGES = random_images(4, 3, 16, 16)
PHOTOGRAPHS = random_images(2, 3, 32, 32)


# ── The equations ─────────────────────────────────────────────────────────────────────────────────────────────────


def clip(values: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    return torch.where(values < low, low, torch.where(values > high, high, values))


def p_fgvm_step(x_adv: Tensor, x: Tensor, g: Tensor) -> Tensor:
    return clip(x_adv - 2.0 * (g + 0.22 * (x_adv - x)), 0.0, 1.0)


def i_fgvm_step(x_adv: Tensor, x: Tensor, g: Tensor) -> Tensor:
    return clip(clip(x_adv - 2.0 * g, x - 0.05, x + 0.05), 0.0, 1.0)


def i_fgsm_step(x_adv: Tensor, x: Tensor, g: Tensor) -> Tensor:
    return clip(clip(x_adv - 0.06 / STEPS * g.sign(), x - 0.06, x + 0.06), 0.0, 1.0)


ATTACKS = {
    "P-FGVM": (functools.partial(p_fgvm, step_size=2.0, iterations=STEPS, penalty=0.22), p_fgvm_step),
    "I-FGVM": (functools.partial(i_fgvm, step_size=2.0, iterations=STEPS, epsilon=0.05), i_fgvm_step),
    "I-FGSM": (functools.partial(i_fgsm, iterations=STEPS, epsilon=0.06), i_fgsm_step),
}

REFERENCES = {
    "DDN": functools.partial(ddn, iterations=STEPS),
    "FMN": functools.partial(fmn, iterations=STEPS),
    "C&W-L2": functools.partial(cw_l2, search_steps=1, iterations=STEPS, learning_rate=0.05),
}
EVERY_ATTACK = {**{name: attack for name, (attack, _) in ATTACKS.items()}, **REFERENCES}


def written_out(model: Callable[[Tensor], Any], images: Tensor, targets: Tensor, step: Callable) -> Tensor:
    x = x_adv = images.double()
    for _ in range(STEPS):
        leaf = x_adv.to(images.dtype).clone().requires_grad_()
        logits = model(leaf.clone()).double()
        losses = logits.exp().sum(1).log() - logits[range(len(targets)), targets]
        x_adv = step(x_adv, x, torch.autograd.grad(losses.sum(), leaf)[0].double())
    return x_adv


def targets_for(images: Tensor) -> Tensor:
    return torch.arange(len(images)) % CLASSES


# ── What must stay as it was ──────────────────────────────────────────────────────────────────────────────────────


def kept(value: Tensor | None) -> Any:
    if value is None:
        return None
    in_bytes = value.detach().reshape(-1).view(torch.uint8).numpy().tobytes()
    return value.data_ptr(), value.dtype, value.shape, hashlib.sha256(in_bytes).digest()


def state(model: nn.Module) -> dict[str, Any]:
    """All that an attack could leave behind in `model`, as plain values."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        found[f"{name}: type"] = type(module)
        found[f"{name}: mode"] = getattr(module, "training", None)
        found[f"{name}: children"] = [(child, id(value)) for child, value in module.named_children()]
        found[f"{name}: hooks"] = {key: dict(value) for key, value in vars(module).items() if key.endswith("_hooks")}
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    for name, value in tensors:
        found[f"{name}: value"] = kept(value)
        found[f"{name}: gradient"] = value.requires_grad, kept(value.grad)
        found[f"{name}: hooks"] = dict(value._backward_hooks or {})
    found["state_dict"] = {
        name: kept(value) if isinstance(value, Tensor) else value for name, value in model.state_dict().items()
    }
    return found


# ── The models ────────────────────────────────────────────────────────────────────────────────────────────────────


def network(*changed: tuple[int, nn.Module], channels: int = 3) -> nn.Sequential:
    """A small network in training mode, its batch normalisations with statistics of their own."""
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


def warm(model: nn.Module, channels: int = 3, size: int = 16) -> nn.Module:
    model = model.double().train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean, which two batches suffice for
    with torch.no_grad():
        for _ in range(2):
            model(torch.rand(4, channels, size, size, dtype=torch.float64))
    return model


def changed(change: Callable[[nn.Sequential], Any]) -> nn.Module:
    model = network()
    change(model)
    return warm(model)


class Wrapped(nn.Module):
    """A body, and what some models do around it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Any:
        return self.body(x)


class Normalized(Wrapped):
    def __init__(self, body: nn.Module) -> None:
        super().__init__(body)
        self.register_buffer("mean", torch.full((3, 1, 1), 0.4, dtype=torch.float64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.body((x - self.mean) / 0.2)


class InPlace(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.sub_(0.5).mul_(2).relu_())


class Checkpointed(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.body, x, use_reentrant=False)


class StaysFrozen(Wrapped):
    """Keeps its batch normalisations in eval mode in training, as fine-tuning often does."""

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class ForgetsItsBody(Wrapped):
    """Its train() and eval() reach itself alone."""

    def train(self, mode: bool = True) -> nn.Module:
        self.training = mode
        return self


class RefusesEval(Wrapped):
    def train(self, mode: bool = True) -> nn.Module:
        raise NotImplementedError("set the modes by hand")


class Averaged(Wrapped):
    """Computes with averaged weights at inference, which its eval() puts in place and its train() takes out."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(body)
        self.average = nn.Linear(CLASSES, CLASSES).double()
        self.switched = 0

    def train(self, mode: bool = True) -> nn.Module:
        self.switched = 0 if mode else 1
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        return self.average(self.body(x)) if self.switched else self.body(x)


class SamplesAtInference(Wrapped):
    """Keeps a layer in training mode at inference, for Monte Carlo estimates; another draws nothing here."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__(body)
        self.sampled = nn.BatchNorm1d(CLASSES).double()

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.sampled.training = True
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.sampled(self.body(x))


class FunctionalDropout(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.body(nn.functional.dropout(x, 0.3, self.training))


class StochasticDepth(Wrapped):
    """Another network in training than at inference."""

    def forward(self, x: Tensor) -> Tensor:
        return self.body(1 - x) if self.training else self.body(x)


class ReadsItsHook(Wrapped):
    """Takes its features from what a hook of its own keeps."""

    def __init__(self, body: nn.Sequential) -> None:
        super().__init__(body)
        self.body[6].register_forward_hook(self.keep)

    def keep(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.feature = output

    def forward(self, x: Tensor) -> Tensor:
        self.body(x)
        return self.body[9](self.feature.flatten(1))


class OwnCall(Wrapped):
    def __call__(self, x: Tensor) -> Tensor:
        return 0.5 * super().__call__(x)


class Answer(NamedTuple):
    logits: Tensor
    features: Tensor


class Answering(Wrapped):
    def __init__(self, body: nn.Module, answer: Callable[[Tensor], Any]) -> None:
        super().__init__(body)
        self.answer = answer

    def forward(self, x: Tensor) -> Any:
        return self.answer(self.body(x))


class StandardisedConv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight - self.weight.mean((1, 2, 3), keepdim=True)) / self.weight.std((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class NegativeReLU(nn.ReLU):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(-x)


class ScaledDropout(nn.Dropout):
    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Square.apply(x)


class Recurrent(nn.Module):
    """Reads the image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.LSTM(48, 12, batch_first=True, dropout=0.2, num_layers=2)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rows(x.transpose(1, 2).flatten(2))[0][:, -1])


class Tied(nn.Module):
    """One layer used twice, and one weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.again = self.first
        self.third = nn.Conv2d(3, 3, 3, padding=1)
        self.third.weight = self.first.weight
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(768, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.third(self.again(self.first(x).relu()).relu())).flatten(1))


class Residual(nn.Module):
    """A downsample that is None, and a body."""

    def __init__(self) -> None:
        super().__init__()
        self.register_module("downsample", None)
        self.register_parameter("scale", None)
        self.register_buffer("shift", None)
        self.body = network()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def frozen() -> nn.Module:
    return network().requires_grad_(False)


def in_mixed_modes() -> nn.Module:
    model = network()
    model[1].eval()
    model.training = False
    return model


def with_gradients() -> nn.Module:
    model = network()
    nn.functional.cross_entropy(model(IMAGES), targets_for(IMAGES)).backward()
    model[0].bias.grad = None
    return model


def lazy() -> nn.Module:
    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES))
    return warm(model)


def hooked(name: str, hook: Callable, layer: int = 4, **how: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = network()
        getattr(model[layer], name)(hook, **how)
        return model

    return make


def with_parameter_hook() -> nn.Module:
    model = network()
    model[0].weight.register_hook(lambda gradient: pytest.fail("the weight's gradient was computed"))
    return model


def compiled(model: nn.Module) -> nn.Module:
    torch._dynamo.reset()
    return torch.compile(model, backend="eager")


def compiled_in_place() -> nn.Module:
    torch._dynamo.reset()
    model = network()
    model.compile(backend="eager")
    return model


def data_parallel() -> nn.Module:
    return nn.DataParallel(network())


def distributed() -> nn.Module:
    return nn.parallel.DistributedDataParallel(network())


def distributed_with_unused() -> nn.Module:
    model = Wrapped(network())
    model.unused = nn.Linear(2, 2).double()
    return nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)


def scripted() -> nn.Module:
    return torch.jit.script(network()).train()


def frozen_script() -> nn.Module:
    return torch.jit.freeze(torch.jit.script(network().eval()))


def traced() -> nn.Module:
    return torch.jit.trace(network().eval(), IMAGES)


def exported() -> nn.Module:
    return torch.export.export(network().eval(), (IMAGES,)).module()


def symbolically_traced() -> nn.Module:
    return torch.fx.symbolic_trace(network())


def googlenet() -> nn.Module:
    """As torchvision returns it with weights: its auxiliary heads are None."""
    model = torchvision.models.googlenet(num_classes=CLASSES, init_weights=False)
    model.aux_logits, model.aux1, model.aux2 = False, None, None
    return warm(model, size=32)


def vision_transformer() -> nn.Module:
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, dropout=0.1, num_classes=CLASSES).double()
    nn.init.normal_(model.heads.head.weight)
    return model


def from_torchvision(build: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return lambda: warm(build(num_classes=CLASSES), size=32)


def low_rank_adapted() -> nn.Module:
    """A weight that is computed anew at every call, as LoRA's is."""

    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Parameter(torch.randn(2, 512)), nn.Parameter(torch.randn(CLASSES, 2))

        def forward(self, weight: Tensor) -> Tensor:
            return weight + self.up @ self.down

    return changed(lambda model: nn.utils.parametrize.register_parametrization(model[9], "weight", Adapted().double()))


@dataclass(frozen=True)
class Case:
    """A kind of model; `wrap` makes what is attacked of it where that is no module."""

    make: Callable[[], nn.Module]
    images: Tensor = IMAGES
    wrap: Callable[[nn.Module], Any] = lambda model: model
    logits: Callable[[Any], Tensor] = lambda output: output
    tolerance: float = 1e-9  # of the perturbation's norm


def evaluated(make: Callable[[], nn.Module] = network) -> Callable[[], nn.Module]:
    return lambda: make().eval()


CASES = {
    "in training mode": Case(network),
    "in eval mode": Case(evaluated()),
    "in mixed modes": Case(in_mixed_modes),
    "frozen": Case(frozen),
    "with gradients of its own": Case(with_gradients),
    "float32": Case(lambda: network().float(), IMAGES.float(), tolerance=1e-5),
    "float16": Case(lambda: network().half(), IMAGES.half(), tolerance=0.05),
    "bfloat16": Case(lambda: network().bfloat16(), IMAGES.bfloat16(), tolerance=0.3),
    "one channel": Case(lambda: network(channels=1), IMAGES[:, :1]),
    "channels last": Case(
        lambda: network().to(memory_format=torch.channels_last), IMAGES.to(memory_format=torch.channels_last)
    ),
    "images that are not contiguous": Case(network, IMAGES.transpose(2, 3)),
    # layers
    "weight-standardised convolution": Case(lambda: network((0, StandardisedConv2d(3, 8, 3, padding=1)))),
    "subclass of ReLU": Case(lambda: network((6, NegativeReLU()))),
    "subclass of Dropout": Case(lambda: network((7, ScaledDropout()))),
    "in-place ReLU": Case(lambda: network((2, nn.ReLU(inplace=True)))),
    "works in place on its input": Case(lambda: InPlace(network())),
    "batch normalisation without statistics": Case(lambda: network((1, nn.BatchNorm2d(8, track_running_stats=False)))),
    "instance and group normalisation": Case(
        lambda: network((1, nn.InstanceNorm2d(8, track_running_stats=True)), (5, nn.GroupNorm(2, 8)))
    ),
    "SyncBatchNorm": Case(evaluated(lambda: nn.SyncBatchNorm.convert_sync_batchnorm(network()))),
    "a custom autograd function": Case(lambda: network((2, Squared()))),
    "recurrent": Case(lambda: Recurrent().double()),
    "child that is None": Case(Residual),
    "tied weights": Case(lambda: warm(Tied())),
    "lazy, with sizes": Case(lazy),
    "functional dropout": Case(lambda: FunctionalDropout(network())),
    "another network in training": Case(lambda: StochasticDepth(network())),
    # weights that are computed
    "spectral norm": Case(lambda: changed(lambda model: parametrizations.spectral_norm(model[0]))),
    "spectral norm by hooks": Case(lambda: changed(lambda model: nn.utils.spectral_norm(model[0]))),
    "weight norm": Case(lambda: changed(lambda model: parametrizations.weight_norm(model[0]))),
    "weight norm by hooks": Case(lambda: changed(lambda model: nn.utils.weight_norm(model[0]))),
    "orthogonal": Case(lambda: changed(lambda model: parametrizations.orthogonal(model[9]))),
    "pruned": Case(lambda: changed(lambda model: prune.l1_unstructured(model[0], "weight", 0.5))),
    "low-rank adapted": Case(low_rank_adapted),
    # hooks
    "forward hook": Case(hooked("register_forward_hook", lambda layer, inputs, output: 0.5 * output)),
    "forward hook that is always called": Case(
        hooked("register_forward_hook", lambda layer, inputs, output: 0.5 * output, always_call=True, prepend=True)
    ),
    "forward hook with keywords": Case(
        hooked("register_forward_hook", lambda layer, inputs, keys, output: 0.5 * output, with_kwargs=True)
    ),
    "forward pre-hook": Case(hooked("register_forward_pre_hook", lambda layer, inputs: (0.5 * inputs[0],))),
    "backward hook": Case(
        hooked("register_full_backward_hook", lambda layer, of_input, of_output: (0.5 * of_input[0],))
    ),
    "backward pre-hook": Case(hooked("register_full_backward_pre_hook", lambda layer, grads: (0.5 * grads[0],))),
    "hook of state_dict": Case(hooked("register_state_dict_post_hook", lambda *arguments: None)),
    "hook of a parameter": Case(with_parameter_hook),
    "reads what its own hook keeps": Case(lambda: ReadsItsHook(network())),
    # modes
    "keeps layers in eval mode": Case(lambda: StaysFrozen(network()).train()),
    "leaves its body in training mode": Case(evaluated(lambda: ForgetsItsBody(network().eval()))),
    "refuses eval()": Case(lambda: RefusesEval(evaluated()())),
    "with averaged weights in eval mode": Case(lambda: Averaged(network()).train()),
    "with averaged weights, in eval mode": Case(evaluated(lambda: Averaged(network()))),
    "a part with averaged weights in eval mode": Case(lambda: Wrapped(Averaged(network()).eval()).train(False)),
    "keeps layers in training mode": Case(lambda: SamplesAtInference(network()).train()),
    # wrapped and rewritten
    "wrapped with a normalisation": Case(lambda: Normalized(network())),
    "copied": Case(lambda: copy.deepcopy(network())),
    "checkpointed": Case(lambda: Checkpointed(network())),
    "with a call of its own": Case(lambda: OwnCall(network())),
    "compiled": Case(lambda: compiled(network())),
    "compiled, then wrapped": Case(lambda: Normalized(compiled(network()))),
    "compiled in place": Case(compiled_in_place),
    "scripted": Case(scripted),
    "scripted and frozen": Case(frozen_script),
    "scripted part": Case(lambda: Normalized(scripted())),
    "traced": Case(traced),
    "exported": Case(exported),
    "symbolically traced": Case(symbolically_traced),
    "DataParallel": Case(data_parallel),
    "DistributedDataParallel": Case(distributed),
    "DistributedDataParallel with unused weights": Case(distributed_with_unused),
    # outputs
    "mapping": Case(
        lambda: Answering(network(), lambda logits: {"loss": None, "logits": logits}), logits=lambda out: out["logits"]
    ),
    "attribute": Case(
        lambda: Answering(network(), lambda logits: types.SimpleNamespace(logits=logits)),
        logits=lambda out: out.logits,
    ),
    "named tuple": Case(
        lambda: Answering(network(), lambda logits: Answer(logits, logits)), logits=lambda out: out.logits
    ),
    # functions
    "function": Case(evaluated(), wrap=lambda model: lambda images: model(images)),
    "partial": Case(evaluated(), wrap=lambda model: functools.partial(lambda scale, x: scale * model(x), 0.5)),
    "bound method": Case(evaluated(), wrap=lambda model: model.forward),
    "functional call": Case(
        evaluated(),
        wrap=lambda model: lambda x: torch.func.functional_call(model, dict(model.named_parameters()), (x,)),
    ),
    "the mean of two models": Case(evaluated(), wrap=lambda model: lambda x: (model(x) + model(1 - x)) / 2),
    # torchvision's
    "ResNet-18": Case(from_torchvision(torchvision.models.resnet18), PHOTOGRAPHS),
    "GoogLeNet": Case(googlenet, PHOTOGRAPHS),
    # its gradients are so large that a rounding error grows from step to step
    "MobileNetV3": Case(from_torchvision(torchvision.models.mobilenet_v3_small), PHOTOGRAPHS, tolerance=1e-6),
    "SqueezeNet": Case(from_torchvision(torchvision.models.squeezenet1_1), PHOTOGRAPHS),
    "vision transformer": Case(vision_transformer, PHOTOGRAPHS),
}


@pytest.fixture(scope="module", autouse=True)
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The process group that DistributedDataParallel asks for."""
    meeting = tmp_path_factory.mktemp("processes") / "meeting"
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def made(make: Callable[[], nn.Module]) -> nn.Module:
    """The same weights at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def reference(case: Case) -> Callable[[Tensor], Tensor]:
    model = made(case.make)
    with contextlib.suppress(NotImplementedError):
        model.eval()
    attacked = case.wrap(model)
    return lambda images: case.logits(attacked(images))


def check_equal(found: Tensor, expected: Tensor, images: Tensor, tolerance: float = 1e-9) -> None:
    perturbation = (expected - images.double()).norm()
    assert perturbation > 1e-6
    assert (found.double() - expected).norm() <= tolerance * perturbation


@pytest.mark.filterwarnings("ignore")  # deprecated kinds of models are among them
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_images_are_the_equations_and_the_model_stays_as_it_was(case):
    model = made(case.make)
    attacked, before = case.wrap(model), state(model)
    targets = targets_for(case.images)
    for attack, step in ATTACKS.values():
        found = attack(attacked, case.images, targets)
        check_equal(found, written_out(reference(case), case.images, targets, step), case.images, case.tolerance)
        assert (found.shape, found.dtype, found.requires_grad) == (case.images.shape, case.images.dtype, False)
        after = state(model)
        assert after.keys() == before.keys()
        assert [key for key in before if after[key] != before[key]] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_reference_sees_the_model_in_eval_mode_and_leaves_it_as_it_was(case):
    model = made(case.make)
    attacked, before = case.wrap(model), state(model)
    plain = reference(case)
    targets = second_best(plain, case.images)
    moved = False
    for attack in REFERENCES.values():
        found, expected = attack(attacked, case.images, targets), attack(plain, case.images, targets)
        moved |= not torch.equal(found, case.images)
        assert (found.shape, found.dtype, found.requires_grad) == (case.images.shape, case.images.dtype, False)
        torch.testing.assert_close(found, expected, rtol=0, atol=case.tolerance)
        after = state(model)
        assert after.keys() == before.keys()
        assert [key for key in before if after[key] != before[key]] == []
    # Under random weights SqueezeNet's last ReLU leaves one class to be reached.
    assert moved or case is CASES["SqueezeNet"]


def second_best(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Targets that a few steps may reach."""
    return model(images.clone()).detach().topk(2, dim=1).indices[:, 1]


# ── Callers ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_it_works_in_any_gradient_mode_of_the_caller(context):
    targets = targets_for(IMAGES)
    for attack, step in ATTACKS.values():
        expected = written_out(reference(Case(network)), IMAGES, targets, step)
        model = made(network)
        with context():
            found = attack(model, IMAGES.clone(), targets.clone())  # under inference_mode, tensors of its own kind
            entered = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        check_equal(found, expected, IMAGES)
        assert entered == (context is torch.enable_grad, context is torch.inference_mode)
    for attack in REFERENCES.values():
        expected, model = attack(made(network), IMAGES, targets), made(network)
        with context():
            found = attack(model, IMAGES.clone(), targets.clone())
            assert torch.is_inference_mode_enabled() == (context is torch.inference_mode)
        assert torch.equal(found, expected) and not found.requires_grad


@pytest.mark.parametrize("attack", EVERY_ATTACK.values(), ids=EVERY_ATTACK)
def test_images_that_ask_for_a_gradient_get_none(attack):
    images = IMAGES.clone().requires_grad_()
    found = attack(made(network), images, targets_for(images))
    assert not found.requires_grad and images.grad is None and images.requires_grad
    assert torch.equal(images, IMAGES)


def test_a_training_step_after_an_attack_is_that_without_one():
    def trained(attacks: int) -> list[Tensor]:
        model = made(distributed)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(attacks):
            ATTACKS["P-FGVM"][0](model, IMAGES, targets_for(IMAGES))
        with torch.random.fork_rng():
            torch.manual_seed(1)
            nn.functional.cross_entropy(model(IMAGES), targets_for(IMAGES)).backward()
        optimizer.step()
        return [value.detach() for value in model.state_dict().values()]

    assert all(torch.equal(*pair) for pair in zip(trained(0), trained(2), strict=True))


@pytest.mark.parametrize("attack", EVERY_ATTACK.values(), ids=EVERY_ATTACK)
def test_modes_are_put_back_when_the_model_fails(attack):
    model = made(in_mixed_modes)
    calls = iter((0, 1))
    # At the second call, when a reference is in adv-lib's hands.
    model[4].register_forward_pre_hook(lambda layer, inputs: 1 / 0 if next(calls) else None)
    before = state(model)
    with pytest.raises(ZeroDivisionError):
        attack(model, IMAGES, targets_for(IMAGES))
    assert state(model) == before


class CountReads(TorchDispatchMode):
    """Counts what makes a GPU wait: values that become Python's, and shapes that follow from values."""

    WAITS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.count += function.overloadpacket.__name__ in self.WAITS
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ATTACKS)
def test_no_iteration_waits_for_the_device(name):
    def reads(iterations: int) -> int:
        with CountReads() as counter:
            ATTACKS[name][0](made(network), IMAGES, targets_for(IMAGES), iterations=iterations)
        return counter.count

    assert 0 < reads(1) == reads(4)


# ── Models that cannot be attacked ────────────────────────────────────────────────────────────────────────────────


def under_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return nn.Sequential(nn.Flatten(), nn.Linear(768, CLASSES)).double()


def of_nan() -> nn.Module:
    model = network()
    nn.init.constant_(model[9].bias, torch.nan)
    return model


def reentrant() -> nn.Module:
    class Reentrant(Wrapped):
        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.body, x, use_reentrant=True)

    return Reentrant(network())


REFUSED = {
    "of another type": (
        lambda: network().half(),
        "0.weight is torch.float16 on cpu, the images are torch.float64 on cpu",
    ),
    "checkpointed by re-entry": (reentrant, "cannot be differentiated by PyTorch .* takes use_reentrant=False instead"),
    "on the meta device": (lambda: network().to("meta"), r"0.weight has no values \(it is on the meta device\); load"),
    "a number": (lambda: 3, "model must be callable, not int"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES)), "1.weight has no size yet; call the model"),
    "made for inference": (under_inference_mode, "1.weight was made under torch.inference_mode"),
    "tuple": (lambda: Answering(network(), lambda logits: (logits, None)), r"not a tuple; .* images: model\(images\)"),
    "None": (lambda: Answering(network(), lambda logits: None), "not a NoneType"),
    "mapping without logits": (lambda: Answering(network(), lambda logits: {"scores": logits}), "not a dict"),
    "maps": (lambda: Answering(network(), lambda logits: logits[:, :, None]), r"not a tensor of shape \(4, 5, 1\)"),
    "one row": (lambda: Answering(network(), lambda logits: logits[:1]), r"not a tensor of shape \(1, 5\)"),
    "classes": (lambda: Answering(network(), lambda logits: logits.round().long()), "type torch.int64"),
    "one logit": (lambda: Answering(network(), lambda logits: logits[:, :1]), "one logit an image"),
    "too few classes": (lambda: Answering(network(), lambda logits: logits[:, :3]), r"in 0 … 2, .* found 3"),
    "NaN": (of_nan, "model: gives NaN for these images"),
    "detached": (lambda: Answering(network(), torch.detach), "do not depend differentiably on the images"),
    "constant": (lambda: Answering(network(), lambda logits: torch.ones_like(logits).requires_grad_()), "differentiab"),
    "without graph": (lambda: torch.no_grad()(network().eval()), "do not depend differentiably on the images"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_cannot_be_attacked_is_refused_with_the_remedy(make, message):
    model = make()
    modes = [module.training for module in model.modules()] if isinstance(model, nn.Module) else None
    for attack in EVERY_ATTACK.values():
        with pytest.raises(InputError, match=message):
            attack(model, IMAGES, targets_for(IMAGES))
    if modes:
        assert [module.training for module in model.modules()] == modes
