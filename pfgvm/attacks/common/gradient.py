"""Logits of any model and the gradient of the adversarial loss with respect to the images."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pfgvm.errors import InputError

# Images in [0, 1], (B, C, H, W), to logits, (B, classes).
Model = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def loss_gradient(model: Model, targets: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """Context manager that yields the gradient ∇ₓℓ(x, ỹ) of the cross-entropy as a function of x.

        with loss_gradient(model, targets) as gradient:
            x_adv = x_adv - α * gradient(x_adv)

    The losses are summed over images, so that each gradient is independent of the batch size (Sections 2 and 3).

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes), or to an object or mapping with an
    entry `logits`. A module runs in eval mode inside the block and is restored afterwards (see `eval_mode`); a function
    is called unchanged.
    targets: ỹ, (B,) class indices.
    The yielded function maps (B, C, H, W) to a detached gradient of the same shape and type. It also works under
    `torch.no_grad`.

    Raises InputError if the model returns no logits, has too few classes for `targets`, is not differentiable with
    respect to the images, or has parameters without values (meta device).
    """
    with logits_of(model, targets) as logits_at:

        def gradient(images: Tensor) -> Tensor:
            if not len(images):
                # Many models call view(B, -1), which is ambiguous for B = 0.
                return torch.zeros_like(images)
            return differentiate(loss_at, images, "model: its logits")

        def loss_at(x: Tensor) -> Tensor:
            logits = logits_at(x)
            return nn.functional.cross_entropy(logits, targets.to(logits.device), reduction="sum")

        yield gradient


@contextlib.contextmanager
def logits_of(model: Model, targets: Tensor) -> Iterator[Callable[[Tensor], Tensor]]:
    """Context manager that yields the logits of `model` as a function of images, with a graph if gradients are enabled.

    Arguments as for `loss_gradient`. The function maps (B, C, H, W), B ≥ 1, to (B, classes) in at least float32.
    Raises InputError as `loss_gradient` does, except for logits that do not depend on the images, which only the
    gradient reveals.
    """
    if not callable(model):
        raise InputError(f"model must be callable, not {type(model).__name__}; give a module or a function")
    checked = False

    def logits_at(images: Tensor) -> Tensor:
        nonlocal checked
        try:
            # A copy: a model may work in place, which autograd forbids on a leaf.
            logits = _logits(model(images.clone()), images)
        except RuntimeError as error:
            if not (mismatch := _mismatch(model, images)):
                raise
            raise InputError(f"model: fails on these images ({_first_line(error)}); {mismatch}") from error
        if not checked:
            # Only once, since reading values synchronises with the GPU.
            _check_values(logits, targets)
            checked = True
        # In float16 and bfloat16 the softmax rounds small gradients to zero.
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    with eval_mode(model):
        yield logits_at


def differentiate(loss_at: Callable[[Tensor], Tensor], images: Tensor, whose: str) -> Tensor:
    """Gradient at `images` of `loss_at`, which maps images to a scalar: detached, of their shape and type.

    Independent of the caller's gradient mode. Raises InputError if the loss does not depend differentiably on the
    images; the message opens with `whose`, the source of the loss.
    """
    with torch.enable_grad():
        x = images.detach().requires_grad_()
        loss = loss_at(x)
        gradient = _gradient(loss, x, whose) if loss.requires_grad else None
    if gradient is None:
        raise InputError(
            f"{whose} do not depend differentiably on the images; remove what cuts the graph, such as detach(), "
            "torch.no_grad(), torch.inference_mode() or a conversion to NumPy"
        )
    return gradient


def _gradient(loss: Tensor, x: Tensor, whose: str) -> Tensor | None:
    try:
        return torch.autograd.grad(loss, x, allow_unused=True)[0]
    except torch.OutOfMemoryError:
        raise
    # autograd's error for anything it cannot differentiate; other errors come from the model's own code.
    except RuntimeError as error:
        raise InputError(
            f"{whose} cannot be differentiated by PyTorch ({_first_line(error)}); remove the cause, such as "
            "torch.utils.checkpoint.checkpoint with use_reentrant=True (give use_reentrant=False)"
        ) from error


@contextlib.contextmanager
def eval_mode(model: Callable[..., Any]) -> Iterator[None]:
    """Put a module into eval mode by its own `eval()` inside the block and restore it afterwards.

    Each submodule returns to its previous mode by its own `train()` or `eval()`. If `eval()` leaves a layer in training
    mode, all buffers are restored too. If a module rejects these calls, its flags are set one by one. A function is
    left unchanged. Raises InputError for a module on the meta device.
    """
    if not isinstance(model, nn.Module):
        yield
        return
    _check_parameters(model)
    before = [(module, _is_training(module)) for module in model.modules()]
    buffers = []
    try:
        _switch(model, False)
        if any(_is_training(module) for module, _ in before):
            buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
        yield
    finally:
        # In the order of modules(): a module's train() also switches its submodules, which follow it.
        for module, training in before:
            if _is_training(module) != training:
                _switch(module, training)
        for module, training in before:
            if _is_training(module) != training:
                module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def _is_training(module: nn.Module) -> bool:
    # A frozen ScriptModule has no such flag; it is always in eval mode.
    return bool(getattr(module, "training", False))


def _switch(module: nn.Module, training: bool) -> None:
    try:
        module.train() if training else module.eval()
    # Exported modules reject the call, and a custom train() may raise any error.
    except Exception:
        for part in module.modules():
            if _is_training(part) != training:
                part.training = training


def _logits(output: Any, images: Tensor) -> Tensor:
    # Hugging Face models return an object with `logits`, or a mapping.
    if isinstance(output, Mapping):
        output = output.get("logits", output)
    logits = getattr(output, "logits", output)
    if isinstance(logits, Tensor):
        if logits.dim() == 2 and len(logits) == len(images) and logits.is_floating_point():
            return logits
        kind = f"a tensor of shape {tuple(logits.shape)} and type {logits.dtype}"
    else:
        kind = f"a {type(logits).__name__}"
    raise InputError(
        f"model must return logits, a floating-point tensor of shape (images, classes), not {kind}; put the model into "
        "eval mode, or give a function that selects them, such as lambda images: model(images)[0]"
    )


def _check_values(logits: Tensor, targets: Tensor) -> None:
    classes = logits.shape[1]
    if classes < 2:
        raise InputError("model: returns one logit per image; give a model with one logit per class, at least 2")
    if (highest := int(targets.max())) >= classes:
        raise InputError(f"targets must lie in 0 … {classes - 1}, the model's classes, not {highest}")
    if logits.isnan().any():
        raise InputError("model: returns NaN for these images; check its weights and the range of its input")


def _check_parameters(model: nn.Module) -> None:
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_meta:
            raise InputError(f"model: {name} has no values (it is on the meta device); load the model's weights first")


def _mismatch(model: Model, images: Tensor) -> str | None:
    """Description of the first weight of `model` whose type or device differs from that of `images`."""
    for name, value in model.named_parameters() if isinstance(model, nn.Module) else ():
        if value.is_floating_point() and (value.dtype, value.device) != (images.dtype, images.device):
            of_model, of_images = (f"{tensor.dtype} on {tensor.device}" for tensor in (value, images))
            return f"its {name} is {of_model}, the images are {of_images}; convert the model or the images"
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
