"""Targeted I-FGSM as in each attack library's documentation; `make bench` installs the libraries."""

import sys
from types import ModuleType

import torch
from torch import Tensor, nn


def by_torchattacks(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    """torchattacks' BIM, with the targets as labels."""
    import torchattacks

    attack = torchattacks.BIM(model, eps=epsilon, alpha=epsilon / iterations, steps=iterations)
    attack.set_mode_targeted_by_label(quiet=True)
    return attack(images, targets)


def by_foolbox(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Foolbox's basic iterative method with the criterion TargetedMisclassification."""
    import foolbox

    attack = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=epsilon / iterations, steps=iterations)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=images.device)
    _, clipped, _ = attack(wrapped, images, foolbox.criteria.TargetedMisclassification(targets), epsilons=epsilon)
    return clipped


def by_art(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    """The Adversarial Robustness Toolbox's basic iterative method, arrays in and out."""
    from art.attacks.evasion import BasicIterativeMethod
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=model(images[:1]).shape[1],
        clip_values=(0, 1),
        device_type="gpu" if images.is_cuda else "cpu",
    )
    attack = BasicIterativeMethod(
        classifier,
        eps=epsilon,
        eps_step=epsilon / iterations,
        max_iter=iterations,
        targeted=True,
        batch_size=len(images),
        verbose=False,
    )
    return torch.from_numpy(attack.generate(images.cpu().numpy(), y=targets.cpu().numpy()))


def by_adv_lib(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    """adv-lib's PGD without its random start; it may return an earlier iterate, the last that reaches the target."""
    # adv-lib's optional log imports a plotting server, which no attack needs.
    sys.modules.setdefault("visdom", ModuleType("visdom"))
    from adv_lib.attacks import pgd_linf

    step_size = epsilon / iterations
    settings = {"targeted": True, "steps": iterations, "random_init": False, "absolute_step_size": step_size}
    return pgd_linf(model, images, targets, epsilon, **settings)


LIBRARIES = {"torchattacks": by_torchattacks, "Foolbox": by_foolbox, "ART": by_art, "adv-lib": by_adv_lib}
# These libraries return the last iterate, as I-FGSM is defined.
BY_DEFINITION = ("torchattacks", "Foolbox", "ART")
