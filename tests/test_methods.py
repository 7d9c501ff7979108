"""The methods as the pipeline sees them, and the package that loads each by itself."""

import ast
import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pfgvm.attacks
from pfgvm import seeding
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
    pixelation,
    random_equal_l2,
)
from pfgvm.attacks.common.method import Batch, Gallery, Method
from pfgvm.attacks.methods.p_fgvm_noise import gaussian_start
from pfgvm.errors import InputError

FOLDER = Path(pfgvm.attacks.__file__).parent
LABELS = {
    "p_fgvm": "P-FGVM",
    "i_fgvm": "I-FGVM",
    "i_fgsm": "I-FGSM",
    "p_fgvm_noise": "P-FGVM (noise)",
    "random_equal_l2": "Random (equal L2)",
    "clean": "Clean",
    "ddn": "DDN",
    "fmn": "FMN",
    "cw_l2": "C&W-L2",
    "pixelation": "Pixelation",
    "gaussian_blur": "Gaussian blur",
    "masking": "Masking",
    "k_same": "k-Same",
    "p_fgvm_features": "P-FGVM (features)",
}
WITHOUT_MODEL = {"p_fgvm_features", "clean", "random_equal_l2", "pixelation", "gaussian_blur", "masking", "k_same"}
# The section attack of params.yaml, as far as the methods read it.
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
    p_fgvm_features=SimpleNamespace(
        descriptors=["d"],
        step_size=0.05,
        iterations=3,
        penalty=1.0,
        views=2,
        scale=0.1,
        shift=0.05,
        masking=0.5,
        chroma=0.3,
    ),
)
NAMES = ["a.jpg", "b.jpg", "c.jpg", "c.jpg"]  # the last is padding


def method(key: str) -> Method:
    return importlib.import_module(f"pfgvm.attacks.methods.{key}").METHOD


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


def batch(followed: Tensor | None = None) -> Batch:
    return Batch(network(), images(), torch.tensor([1, 2, 3, 3]), NAMES, followed, gallery(), [network()])


def run(key: str, model: str, followed: Tensor | None = None) -> Tensor:
    # Through JSON, as the values are kept.
    parameters = json.loads(json.dumps(method(key).parameters(SETTINGS, model)))
    return method(key).deidentify(batch(followed), **parameters)


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    return done.stdout.strip()


# ── Methods ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("key", "label"), LABELS.items())
def test_a_method_has_its_label_in_the_tables(key, label):
    assert method(key).label == label


@pytest.mark.parametrize("model", ["A", "B"])
def test_the_papers_methods_run_with_their_settings(model):
    given = (network(), images(), torch.tensor([1, 2, 3, 3]))
    s = SETTINGS
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
        assert torch.equal(run(key, model), result)
        assert not torch.equal(result, images())
        assert method(key).follows is None and method(key).chosen(s, NAMES) == NAMES


def test_p_fgvm_on_features_runs_with_its_settings():
    given = vars(SETTINGS.p_fgvm_features).copy()
    assert method("p_fgvm_features").descriptors(SETTINGS) == given.pop("descriptors")
    expected = p_fgvm_features([network()], images(), NAMES, **given, seed=3)
    assert torch.equal(run("p_fgvm_features", "A"), expected) and torch.equal(run("p_fgvm_features", "B"), expected)
    assert not torch.equal(expected, images())
    assert all(method(key).descriptors is None for key in LABELS if key != "p_fgvm_features")


def test_the_references_run_with_their_settings():
    given = (network(), images(), torch.tensor([1, 2, 3, 3]))
    expected = {
        "ddn": ddn(*given, iterations=20),
        "fmn": fmn(*given, iterations=19),
        "cw_l2": cw_l2(*given, search_steps=4, iterations=18, learning_rate=0.1),
    }
    for key, result in expected.items():
        assert torch.equal(run(key, "A"), result) and torch.equal(run(key, "B"), result)
        assert not torch.equal(result, images())


def test_the_old_ways_run_with_their_settings():
    # The three persons' images share one face; the padding has that of the image it repeats.
    shared = k_same(images()[:3], k=2)
    expected = {
        "clean": clean(images()),
        "pixelation": pixelation(images(), blocks=3),
        "gaussian_blur": gaussian_blur(images(), sigma=0.1),
        "masking": masking(images()),
        "k_same": torch.cat([shared, shared[2:]]),
    }
    for key, result in expected.items():
        torch.testing.assert_close(run(key, "A"), result, rtol=0, atol=1e-7)
        assert torch.equal(run(key, "B"), run(key, "A"))
        assert torch.equal(result, images()) == (key == "clean")
    assert method("k_same").parameters(SETTINGS, "A") == {"k": 2, "seed": 3}


@pytest.mark.parametrize("key", LABELS)
def test_a_method_says_what_it_uses(key):
    assert method(key).uses_model == (key not in WITHOUT_MODEL)
    assert method(key).needs_gallery == (key == "k_same")
    if not method(key).uses_model and not method(key).follows:
        unused = dataclasses.replace(batch(), model=None, targets=None)
        made = method(key).deidentify(unused, **method(key).parameters(SETTINGS, "A"))
        assert torch.equal(made, run(key, "A"))


def test_the_noise_start_is_p_fgvm_from_gaussian_noise():
    drawn = [seeding.rng(3, "noise", name).normal(0.5, 0.25, (3, 8, 8)).astype(np.float32) for name in NAMES]
    start = torch.from_numpy(np.stack(drawn))
    values = {"step_size": 0.55, "iterations": 6, "penalty": 0.28}
    expected = p_fgvm(network(), images(), torch.tensor([1, 2, 3, 3]), start=start, **values)
    found = run("p_fgvm_noise", "B")
    assert torch.equal(found, expected) and torch.equal(found[3], found[2])
    assert method("p_fgvm_noise").parameters(SETTINGS, "B") == values | {"seed": 3, "mean": 0.5, "std": 0.25}


def test_gaussian_starts_hang_on_seed_and_name_alone():
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
        (NAMES[:3], 0.5, 0.25, "names must be one for each of the 4 images; found 3"),
        (NAMES, np.nan, 0.25, "mean must be finite"),
        (NAMES, 0.5, -0.25, "std must be at least 0"),
    ],
)
def test_wrong_gaussian_starts_are_refused(names, mean, std, message):
    with pytest.raises(InputError, match=message):
        gaussian_start(images(), names, seed=3, mean=mean, std=std)


def test_the_noise_start_takes_the_images_that_the_seed_draws():
    names = [f"{i}.jpg" for i in range(9)]
    chosen = method("p_fgvm_noise").chosen
    assert chosen(SETTINGS, names) == seeding.shuffled(names, 3, "noise images")[:2]
    all_of_them = SimpleNamespace(seed=3, p_fgvm_noise=SimpleNamespace(images=None))
    assert sorted(chosen(all_of_them, names)) == names


def test_the_control_moves_each_image_as_far_as_p_fgvm_along_its_own_noise():
    assert method("random_equal_l2").follows == "p_fgvm"
    followed = run("p_fgvm", "A")
    found = run("random_equal_l2", "A", followed)
    sizes = [(moved.double() - images().double()).flatten(1).norm(dim=1) for moved in (found, followed)]
    torch.testing.assert_close(*sizes, rtol=1e-6, atol=0)
    drawn = [seeding.rng(3, "random", name).standard_normal((3, 8, 8)).astype(np.float32) for name in NAMES]
    noise = torch.from_numpy(np.stack(drawn))
    assert torch.equal(found, random_equal_l2(images(), noise, sizes[1])) and torch.equal(found[3], found[2])
    with pytest.raises(ValueError, match="followed"):
        run("random_equal_l2", "A")


# ── The package ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_method_is_the_function_of_its_name_whatever_was_loaded_before():
    modules = "; ".join(f"import pfgvm.attacks.methods.{key}" for key in LABELS)
    attributes = "import pfgvm.attacks; " + "; ".join(f"pfgvm.attacks.{key}" for key in LABELS)
    listed = ", ".join(LABELS)
    asked = f"from pfgvm.attacks import {listed}; print(*(method.__qualname__ for method in ({listed})))"
    for code in (asked, f"{modules}; {asked}", f"{attributes}; {modules}; {asked}"):
        assert python(code) == " ".join(LABELS)


def test_a_method_loads_no_other_and_no_room_besides():
    loaded = "import sys; print(sorted(name for name in sys.modules if name.startswith('pfgvm')))"
    shared = {"pfgvm", "pfgvm.errors", "pfgvm.attacks", "pfgvm.attacks.methods", "pfgvm.attacks.common"}
    shared |= {f"pfgvm.attacks.common.{name}" for name in ("arguments", "gradient", "method")}
    for code in ("import pfgvm.attacks.methods.p_fgvm", "from pfgvm.attacks import p_fgvm"):
        assert set(ast.literal_eval(python(f"{code}; {loaded}"))) == shared | {"pfgvm.attacks.methods.p_fgvm"}
    assert "pfgvm.attacks.methods.p_fgvm" not in python(f"import pfgvm.attacks; {loaded}")


def test_a_file_in_the_folder_is_all_that_a_new_method_takes(tmp_path):
    (tmp_path / "unchanged.py").write_text("def unchanged(model, images, targets):\n    return images\n")
    (tmp_path / "needs.py").write_text("import what_is_not_there\n")
    extended = f"import pfgvm.attacks; pfgvm.attacks.methods.__path__.append({str(tmp_path)!r})"
    asked = "from pfgvm.attacks import unchanged; print(unchanged(0, 1, 2), 'unchanged' in dir(pfgvm.attacks))"
    # What a method lacks is not hidden behind "no such attack".
    lacking = "try: pfgvm.attacks.needs\nexcept ModuleNotFoundError as error: print(error.name)"
    assert python(f"{extended}; {asked}\n{lacking}").split() == ["1", "True", "what_is_not_there"]


def test_an_unknown_method_is_an_attribute_error_that_lists_the_known():
    with pytest.raises(AttributeError, match=f"no attack 'p_fgmv'; there are: {', '.join(sorted(LABELS))}$"):
        _ = pfgvm.attacks.p_fgmv
    with pytest.raises(ImportError, match="p_fgmv"):
        exec("from pfgvm.attacks import p_fgmv")
    assert not hasattr(pfgvm.attacks, "p_fgvm.METHOD")
    assert set(LABELS) <= set(dir(pfgvm.attacks))


def test_the_stub_names_functions_that_exist():
    stub = ast.parse((FOLDER / "__init__.pyi").read_text())
    named = [
        alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname
    ]
    assert set(named) == set(LABELS) and all(getattr(pfgvm.attacks, name).__name__ == name for name in named)
