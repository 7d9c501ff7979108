"""Logits, and the gradient of the adversarial loss with respect to the images, of any model, which stays as it was."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pfgvm.errors import InputError

# Images in [0, 1], (B, C, H, W), to logits, (B, classes).
Model = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def loss_gradient(model: Model, targets: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """∇ₓℓ(x, ỹ), the gradient of each image's own cross-entropy against its target class, as a function of x alone.

        with loss_gradient(model, targets) as gradient:
            x_adv = x_adv - α * gradient(x_adv)

    The losses are summed, never averaged, so that an image's gradient does not shrink with the batch (Sections 2, 3).

    model: any callable from images in [0, 1], (B, C, H, W), to logits, (B, classes), or to an object or a mapping that
    holds them as `logits`. A module is as its own `eval()` puts it inside the block, and as it was after it (see
    `eval_mode`). A function is called as it is.
    targets: ỹ, (B,) class indices. The function takes (B, C, H, W), returns the like without a graph, and works under
    `torch.no_grad` and `torch.inference_mode` too.

    Raises InputError for a model that cannot be attacked: one that gives no logits, has too few classes for `targets`,
    that PyTorch cannot differentiate with respect to the images, or whose parameters lack a size or values.
    """
    with logits_of(model, targets) as logits_at:

        def gradient(images: Tensor) -> Tensor:
            if not len(images):
                # Many models reshape by view(B, -1), which is ambiguous without images.
                return torch.zeros_like(images)
            return differentiate(loss_at, images, "model: its logits")

        def loss_at(x: Tensor) -> Tensor:
            logits = logits_at(x)
            ỹ = recordable(targets).to(logits.device)
            return nn.functional.cross_entropy(logits, ỹ, reduction="sum")

        yield gradient


@contextlib.contextmanager
def logits_of(model: Model, targets: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """The logits of `model` as a function of images, which records a graph where the caller's gradient mode does.

    The arguments are those of `loss_gradient`. The function takes at least one image, (B, C, H, W), and returns
    (B, classes), in float32 at least. Raises InputError as `loss_gradient` does, but not for logits that do not depend
    on the images: only their gradient shows that.
    """
    if not callable(model):
        raise InputError(f"model must be callable, not {type(model).__name__}; give a module or a function")
    checked = False

    def logits_at(images: Tensor) -> Tensor:
        nonlocal checked
        try:
            # A copy, since a model may work in place, which autograd forbids on a leaf.
            logits = _logits(model(images.clone()), images)
        except RuntimeError as error:
            if not (differing := _other_kind(model, images)):
                raise
            raise InputError(f"model: fails on these images ({_first_line(error)}); {differing}") from error
        if not checked:
            # Once, since reading values makes a GPU wait.
            _check_values(logits, targets)
            checked = True
        # In float16 and bfloat16 the softmax would lose what is left of a small gradient.
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    with eval_mode(model):
        yield logits_at


def differentiate(loss_at: Callable[[Tensor], Tensor], images: Tensor, whose: str) -> Tensor:
    """∇ₓ of `loss_at`, images to one number, at `images`: like them, without a graph, whatever the caller's grad mode.

    Raises InputError where the loss does not depend differentiably on the images; it opens with `whose`, what the loss
    is made from.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = recordable(images).requires_grad_()
        loss = loss_at(x)
        found = _gradient(loss, x, whose) if loss.requires_grad else None
    if found is None:
        raise InputError(
            f"{whose} do not depend differentiably on the images; take out what cuts the graph, such as detach(), "
            "torch.no_grad() or a detour through NumPy"
        )
    return found


def _gradient(loss: Tensor, x: Tensor, whose: str) -> Tensor | None:
    try:
        return torch.autograd.grad(loss, x, allow_unused=True)[0]
    except torch.OutOfMemoryError:
        raise
    # PyTorch's for what it cannot differentiate; other errors are those of the model's own code.
    except RuntimeError as error:
        raise InputError(
            f"{whose} cannot be differentiated by PyTorch ({_first_line(error)}); take out what prevents it, such as "
            "torch.utils.checkpoint.checkpoint with use_reentrant=True, which takes use_reentrant=False instead"
        ) from error


def recordable(values: Tensor) -> Tensor:
    """`values` without a graph, and fit to be recorded in one, even those made under `torch.inference_mode`."""
    return values.clone() if values.is_inference() else values.detach()


@contextlib.contextmanager
def eval_mode(model: Callable[..., Any]) -> Iterator[None]:
    """A module as its own `eval()` puts it inside the block, and as it was after it; a function as it is.

    After it, every submodule is back in its own mode, by its own `train()` or `eval()`, and where `eval()` left a layer
    in training mode, all buffers hold what they held. A module that refuses these calls has its modes set one by one.
    Raises InputError for a module whose parameters have no size or values yet, or rule out gradients.
    """
    if not isinstance(model, nn.Module):
        yield
        return
    _check_parameters(model)
    # A frozen ScriptModule has no mode, and no use for one.
    before = [(module, module.training) for module in model.modules() if hasattr(module, "training")]
    without = [module for module in model.modules() if not hasattr(module, "training")]
    buffers = []
    try:
        _switch(model, False)
        if any(module.training for module, _ in before):
            buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        yield
    finally:
        # A module comes before its submodules, whose modes its own train() sets.
        for module, training in before:
            if module.training != training:
                _switch(module, training)
        for module, training in before:
            if module.training != training:
                module.training = training
        for module in without:
            if hasattr(module, "training"):
                del module.training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def _switch(module: nn.Module, training: bool) -> None:
    try:
        module.train() if training else module.eval()
    # An exported module, or one whose modes are to be set by hand, refuses it with an error of any kind.
    except Exception:
        for part in module.modules():
            if getattr(part, "training", training) != training:
                part.training = training


def _logits(output: Any, images: Tensor) -> Tensor:
    # The convention of Hugging Face's models.
    if not isinstance(output, Tensor):
        output = output["logits"] if _is_mapping_with_logits(output) else getattr(output, "logits", output)
    if not isinstance(output, Tensor):
        raise _no_logits(f"a {type(output).__name__}")
    if output.dim() != 2 or len(output) != len(images) or not output.is_floating_point():
        raise _no_logits(f"a tensor of shape {tuple(output.shape)} and type {output.dtype}")
    return output


def _is_mapping_with_logits(output: Any) -> bool:
    return isinstance(output, Mapping) and "logits" in output


def _no_logits(found: str) -> InputError:
    return InputError(
        f"model must give logits, a floating-point tensor of shape (images, classes), not {found}; put the model in "
        "eval mode and give a function that calls it and picks them, such as lambda images: model(images)[0]"
    )


def _check_values(logits: Tensor, targets: Tensor) -> None:
    classes = logits.shape[1]
    if classes < 2:
        raise InputError("model: gives one logit an image, which no target can change; give one logit for each class")
    if (highest := int(targets.max())) >= classes:
        raise InputError(f"targets must lie in 0 … {classes - 1}, the model's classes; found {highest}")
    if logits.isnan().any():
        raise InputError("model: gives NaN for these images; check its weights and the range of its input")


def _check_parameters(model: nn.Module) -> None:
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(value):
            raise InputError(f"model: {name} has no size yet; call the model once on an image before the attack")
        if value.is_meta:
            raise InputError(f"model: {name} has no values (it is on the meta device); load the model's weights first")
    for name, value in model.named_parameters():
        if value.is_inference():
            raise InputError(
                f"model: {name} was made under torch.inference_mode, which rules out gradients; make the model outside"
            )


def _other_kind(model: Model, images: Tensor) -> str | None:
    """In words, where the weights of `model` are of another type or on another device than `images`."""
    for name, value in model.named_parameters() if isinstance(model, nn.Module) else ():
        if value.is_floating_point() and (value.dtype, value.device) != (images.dtype, images.device):
            of_model, of_images = (f"{each.dtype} on {each.device}" for each in (value, images))
            return f"its {name} is {of_model}, the images are {of_images}; convert the model or the images"
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
