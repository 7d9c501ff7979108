"""The list of methods, each as the pipeline calls it, and the package that loads each by itself."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pfgvm.attacks
from pfgvm import methods, seeding
from pfgvm.attacks import (
    clean,
    cw_l2,
    ddn,
    fmn,
    gaussian_blur,
    i_fgsm,
    i_fgvm,
    k_same,
    masking,
    p_fgvm,
    p_fgvm_features,
    p_fgvm_shape,
    pixelation,
    random_equal_l2,
    random_shape,
)
from pfgvm.attacks.common.context import Context, Gallery
from pfgvm.attacks.methods.p_fgvm_noise import gaussian_start, noise_images
from pfgvm.errors import InputError
from pfgvm.settings import PFGVMFeatures, PFGVMShape, ShapeSizes
from stages.adversarial.method_modules import load_method

FOLDER = Path(pfgvm.attacks.__file__).parent
KEYS = [method.key for method in methods.METHODS]
# The section attack of params.yaml, with the settings that the methods read.
SETTINGS = SimpleNamespace(
    seed=3,
    penalty={"A": 0.22, "B": 0.28},
    p_fgvm=SimpleNamespace(step_size={"A": 1.0, "B": 0.55}, iterations={"A": 5, "B": 6}),
    i_fgvm=SimpleNamespace(step_size={"A": 1.0, "B": 0.1}, iterations={"A": 5, "B": 4}, epsilon={"A": 0.02, "B": 0.03}),
    i_fgsm=SimpleNamespace(iterations={"A": 2, "B": 3}, epsilon={"A": 0.026, "B": 0.027}),
    p_fgvm_noise=SimpleNamespace(images=2, mean=0.5, std=0.25),
    ddn=SimpleNamespace(iterations=20),
    fmn=SimpleNamespace(iterations=19),
    cw_l2=SimpleNamespace(search_steps=4, iterations=18, learning_rate=0.1),
    pixelation=SimpleNamespace(blocks=3),
    gaussian_blur=SimpleNamespace(sigma=0.1),
    k_same=SimpleNamespace(k=2),
    p_fgvm_features=PFGVMFeatures.model_construct(
        descriptors=["d"],
        step_size=0.05,
        iterations=3,
        penalty=1.0,
        views=2,
        scale=0.1,
        shift=0.05,
        mirror=True,
        masking=0.5,
        chroma=0.3,
    ),
    p_fgvm_shape=PFGVMShape.model_construct(
        descriptors=["d"],
        natural=ShapeSizes(displacement=5.0, shading=2.0, pixels=0.5),
        strong=ShapeSizes(displacement=10.0, shading=4.0, pixels=1.0),
        step_size=0.05,
        iterations=3,
        penalty=1.0,
        views=2,
        scale=0.1,
        shift=0.05,
        mirror=True,
        masking=0.5,
        chroma=0.3,
    ),
)
NAMES = ["a.jpg", "b.jpg", "c.jpg", "c.jpg"]  # the last is padding
TARGETS = torch.tensor([1, 2, 3, 3])


def images() -> Tensor:
    drawn = torch.rand((4, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    drawn[3] = drawn[2]
    return drawn


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 5))


def gallery() -> Gallery:
    pixels = dict(zip(NAMES, images(), strict=True))
    return Gallery(NAMES[:3], ["a", "b", "c"], lambda names: torch.stack([pixels[name] for name in names]))


def context(strength: float = 1.0, **makers: Callable[[], Any]) -> Context:
    all_makers = {
        "model": network,
        "targets": lambda: TARGETS,
        "gallery": gallery,
        "descriptors": lambda: lambda names: [network() for _ in names],
        **makers,
    }
    return Context(images(), NAMES, all_makers, strength)


def run(key: str, model: str = "A", given: Context | None = None) -> Tensor:
    method = load_method(key)
    # Through JSON, as the values are stored.
    parameters = json.loads(json.dumps(method.parameters(SETTINGS, model)))
    return method.deidentify(given or context(), **parameters)


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    return done.stdout.strip()


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_has_every_file_of_the_folder_once():
    files = sorted(path.stem for path in (FOLDER / "methods").glob("*.py") if path.stem != "__init__")
    assert sorted(KEYS) == files
    labels = [method.label for method in methods.METHODS]
    assert len(set(labels)) == len(labels) and not {*labels} & {*KEYS}


def test_labels_and_keys_are_inverse_and_another_tool_is_its_own_label():
    assert all(methods.key_of(methods.label_of(key)) == key for key in KEYS)
    assert methods.label_of("p_fgvm") == "P-FGVM"
    assert methods.label_of("tool") == methods.key_of("tool") == "tool"
    listed = [methods.label_of(key) for key in KEYS]
    assert sorted(["tool", "another", *reversed(listed)], key=methods.place) == [*listed, "another", "tool"]


def test_the_papers_methods_are_p_fgvm_and_its_baselines():
    assert methods.PAPER_METHODS == ("P-FGVM", "I-FGVM", "I-FGSM")
    assert methods.BASELINES == ("I-FGVM", "I-FGSM")
    assert methods.labels_of("minimum_norm") == ("DDN", "FMN", "C&W-L2")
    assert "ddn" in methods.ATTACKS and not {"clean", "random_equal_l2", "k_same"} & methods.ATTACKS.keys()


# ── Methods in the pipeline ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["A", "B"])
def test_the_papers_methods_run_with_their_settings(model):
    given, s = (network(), images(), TARGETS), SETTINGS
    expected = {
        "p_fgvm": p_fgvm(
            *given, step_size=s.p_fgvm.step_size[model], iterations=s.p_fgvm.iterations[model], penalty=s.penalty[model]
        ),
        "i_fgvm": i_fgvm(
            *given,
            step_size=s.i_fgvm.step_size[model],
            iterations=s.i_fgvm.iterations[model],
            epsilon=s.i_fgvm.epsilon[model],
        ),
        "i_fgsm": i_fgsm(*given, iterations=s.i_fgsm.iterations[model], epsilon=s.i_fgsm.epsilon[model]),
    }
    for key, result in expected.items():
        assert torch.equal(run(key, model), result) and not torch.equal(result, images())


def test_methods_beyond_the_paper_run_with_their_settings_on_either_model():
    given = (network(), images(), TARGETS)
    features = {name: value for name, value in vars(SETTINGS.p_fgvm_features).items() if name != "descriptors"}
    sizes = ("displacement", "shading", "pixels")
    natural, strong = [
        {name: factor * size for name, size in zip(sizes, (5.0, 2.0, 0.5), strict=True)} for factor in (1, 2)
    ]
    shape = vars(SETTINGS.p_fgvm_shape).items()
    shape = {name: value for name, value in shape if name not in ("descriptors", "natural", "strong")} | {"seed": 3}
    # The three persons' images share one face; the padding has that of the image it repeats.
    shared = k_same(images()[:3], k=2)
    expected = {
        "p_fgvm_features": p_fgvm_features([network()], images(), NAMES, **features, seed=3),
        "p_fgvm_shape": p_fgvm_shape([network()], images(), NAMES, **natural, **shape)[0],
        "p_fgvm_shape_strong": p_fgvm_shape([network()], images(), NAMES, **strong, **shape)[0],
        "random_shape": random_shape(images(), NAMES, **natural, seed=3)[0],
        "ddn": ddn(*given, iterations=20),
        "fmn": fmn(*given, iterations=19),
        "cw_l2": cw_l2(*given, search_steps=4, iterations=18, learning_rate=0.1),
        "clean": clean(images()),
        "pixelation": pixelation(images(), blocks=3),
        "gaussian_blur": gaussian_blur(images(), sigma=0.1),
        "masking": masking(images()),
        "k_same": torch.cat([shared, shared[2:]]),
    }
    for key, result in expected.items():
        torch.testing.assert_close(run(key), result, rtol=0, atol=1e-7)
        assert torch.equal(run(key, "B"), run(key))
        assert torch.equal(result, images()) == (key == "clean")


# What the context records, from which a set's model, target and descriptors follow.
ASKED = {
    **{key: {"model", "targets"} for key in ("p_fgvm", "i_fgvm", "i_fgsm", "p_fgvm_noise", "ddn", "fmn", "cw_l2")},
    **{key: set() for key in ("clean", "pixelation", "gaussian_blur", "masking", "random_shape")},
    **{key: {"descriptors"} for key in ("p_fgvm_features", "p_fgvm_shape", "p_fgvm_shape_strong")},
    "random_equal_l2": {"reference"},
    "k_same": {"gallery"},
}


@pytest.mark.parametrize("key", KEYS)
def test_a_context_records_what_a_method_requests(key):
    given = context(reference=images)
    run(key, given=given)
    assert given.asked == ASKED[key]


def test_a_context_creates_each_input_once_and_rejects_a_missing_one():
    made = []
    given = context(model=lambda: made.append("model") or network())
    assert made == []
    assert given.model is given.model and made == ["model"]
    with pytest.raises(ValueError, match="reference"):
        run("random_equal_l2", given=given)


def test_conventional_methods_follow_the_strength():
    for strength, blocks in ((0.5, 6), (1.5, 2), (100, 1)):
        assert torch.equal(run("pixelation", given=context(strength)), pixelation(images(), blocks=blocks))
        assert torch.equal(run("gaussian_blur", given=context(strength)), gaussian_blur(images(), sigma=0.1 * strength))


def test_the_noise_start_is_p_fgvm_from_gaussian_noise():
    drawn = [seeding.rng(3, "noise", name).normal(0.5, 0.25, (3, 8, 8)).astype(np.float32) for name in NAMES]
    start = torch.from_numpy(np.stack(drawn))
    expected = p_fgvm(network(), images(), TARGETS, start=start, step_size=0.55, iterations=6, penalty=0.28)
    x_adv = run("p_fgvm_noise", "B")
    assert torch.equal(x_adv, expected) and torch.equal(x_adv[3], x_adv[2])


def test_gaussian_starts_depend_on_seed_and_name_alone():
    values = {"mean": 0.5, "std": 0.25}
    starts = gaussian_start(images(), NAMES, seed=3, **values)
    assert (starts.shape, starts.dtype) == (images().shape, torch.float32)
    assert torch.equal(gaussian_start(images()[:1], ["b.jpg"], seed=3, **values)[0], starts[1])
    assert not torch.equal(gaussian_start(images(), NAMES, seed=4, **values), starts)
    large = gaussian_start(torch.zeros(1, 3, 100, 100, dtype=torch.float64), ["a.jpg"], seed=3, **values)
    assert large.dtype == torch.float64
    assert large.mean().item() == pytest.approx(0.5, abs=0.005) and large.std().item() == pytest.approx(0.25, abs=0.005)
    assert gaussian_start(images()[:0], [], seed=3, **values).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("names", "mean", "std", "message"),
    [
        (NAMES[:3], 0.5, 0.25, "^names must contain"),
        (NAMES, np.nan, 0.25, "^mean must be"),
        (NAMES, 0.5, -0.25, "^std must be"),
    ],
)
def test_wrong_gaussian_starts_are_refused(names, mean, std, message):
    with pytest.raises(InputError, match=message):
        gaussian_start(images(), names, seed=3, mean=mean, std=std)


def test_the_seed_draws_the_images_that_start_from_noise():
    names = [f"{i}.jpg" for i in range(9)]
    assert noise_images(SETTINGS, names) == seeding.shuffled(names, 3, "noise images")[:2]
    all_of_them = SimpleNamespace(seed=3, p_fgvm_noise=SimpleNamespace(images=None))
    assert sorted(noise_images(all_of_them, names)) == names


def test_the_control_has_the_l2_of_its_reference_along_its_own_noise():
    reference = run("p_fgvm")
    x_adv = run("random_equal_l2", given=context(reference=lambda: reference))
    sizes = [(moved.double() - images().double()).flatten(1).norm(dim=1) for moved in (x_adv, reference)]
    torch.testing.assert_close(*sizes, rtol=1e-6, atol=0)
    drawn = [seeding.rng(3, "random", name).standard_normal((3, 8, 8)).astype(np.float32) for name in NAMES]
    noise = torch.from_numpy(np.stack(drawn))
    assert torch.equal(x_adv, random_equal_l2(images(), noise, sizes[1])) and torch.equal(x_adv[3], x_adv[2])


# ── The package ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_method_loads_no_other():
    program = """
import sys

import pfgvm.attacks
assert not any(name.startswith("pfgvm.attacks.methods.") for name in sys.modules)
from pfgvm.attacks import p_fgvm
print(*(name for name in sys.modules if name.startswith("pfgvm")))
"""
    shared = {"pfgvm", "pfgvm.errors", "pfgvm.attacks", "pfgvm.attacks.methods", "pfgvm.attacks.common"}
    shared |= {f"pfgvm.attacks.common.{name}" for name in ("arguments", "context", "gradient")}
    assert set(python(program).split()) == shared | {"pfgvm.attacks.methods.p_fgvm"}


def test_a_file_in_the_folder_is_a_method(tmp_path):
    (tmp_path / "unchanged.py").write_text("def unchanged(model, images, targets):\n    return images\n")
    (tmp_path / "needs.py").write_text("import not_installed\n")
    extended = f"import pfgvm.attacks; pfgvm.attacks.methods.__path__.append({str(tmp_path)!r})"
    asked = "from pfgvm.attacks import unchanged; print(unchanged(0, 1, 2), 'unchanged' in dir(pfgvm.attacks))"
    # A missing dependency is not hidden behind "no attack".
    lacking = "try: pfgvm.attacks.needs\nexcept ModuleNotFoundError as error: print(error.name)"
    assert python(f"{extended}; {asked}\n{lacking}").split() == ["1", "True", "not_installed"]


def test_an_unknown_method_is_an_error_that_lists_the_methods():
    with pytest.raises(AttributeError, match=f"'p_fgmv'.*{', '.join(sorted(KEYS))}$"):
        _ = pfgvm.attacks.p_fgmv
    with pytest.raises(ImportError, match="p_fgmv"):
        exec("from pfgvm.attacks import p_fgmv")
    assert not hasattr(pfgvm.attacks, "p_fgvm.deidentify")
    for name in ("p_fgmv", "p_fgvm.deidentify"):
        with pytest.raises(InputError, match=name):
            load_method(name)


def test_the_stub_names_functions_that_exist():
    stub = ast.parse((FOLDER / "__init__.pyi").read_text())
    named = [
        alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname
    ]
    assert set(named) == set(KEYS) and all(callable(getattr(pfgvm.attacks, name)) for name in named)
