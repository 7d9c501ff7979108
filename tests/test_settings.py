"""The committed settings have the paper's numbers; invalid ones are rejected by name."""

import itertools
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pfgvm.errors import InputError
from pfgvm.settings import MODEL_NAMES, Settings, parse
from stages.common.program import read_settings
from tests.committed_settings import changed as with_changes
from tests.published import PAPER

ROOT = Path(__file__).parent.parent
PARAMS = ROOT / "params.yaml"
COMMITTED = YAML(typ="safe", pure=True).load(PARAMS)


def changed(key: str, value: Any) -> dict:
    """The committed values with `key` (dotted) set to `value`."""
    return with_changes({key: value})


def without(key: str) -> dict:
    """The committed values without `key` (dotted)."""
    values = with_changes({})
    *sections, last = key.split(".")
    section = values
    for name in sections:
        section = section[name]
    del section[last]
    return values


def refusal(values: Any) -> str:
    """The error message for `values`."""
    with pytest.raises(InputError) as refused:
        parse(values, "params.yaml")
    return str(refused.value)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of params.yaml in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    copied = tmp_path / "params.yaml"
    copied.write_bytes(PARAMS.read_bytes())
    return copied


def set_by_make_paper(params: Path, **variables: str) -> Settings:
    """The settings of `make paper` with `variables`, as DVC writes its -S options into `params`."""
    command = ["make", "--dry-run", "--no-print-directory", "paper"]
    command += [f"{name}={value}" for name, value in variables.items()]
    words = shlex.split(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    apply_overrides(params, [value for option, value in itertools.pairwise(words) if option == "-S"])
    return read_settings()


def assert_holds_table2(settings: Settings) -> None:
    attack = settings.attack
    for model in MODEL_NAMES:
        p_fgvm, i_fgvm, i_fgsm = (PAPER["table2"][model][method] for method in ("P-FGVM", "I-FGVM", "I-FGSM"))
        assert attack.penalty[model] == p_fgvm["lambda"]
        assert attack.p_fgvm.step_size[model] == p_fgvm["step_size"]
        assert attack.p_fgvm.iterations[model] == p_fgvm["iterations"]
        assert attack.i_fgvm.step_size[model] == i_fgvm["step_size"]
        assert attack.i_fgvm.iterations[model] == i_fgvm["iterations"]
        assert attack.i_fgvm.epsilon[model] == i_fgvm["epsilon"]
        assert attack.i_fgsm.iterations[model] == i_fgsm["iterations"]
        assert attack.i_fgsm.epsilon[model] == i_fgsm["epsilon"]


def assert_holds_table4_training(settings: Settings, scaled: tuple[str, ...] = ()) -> None:
    """`scaled`: settings with another value at the bundled scale."""
    for model in MODEL_NAMES:
        table4 = PAPER["table4"][model]
        values = {
            "learning_rate": settings.train.learning_rate,
            "batch_size": settings.train.batch_size,
            f"{model}.epochs": getattr(settings.train, model).epochs,
        }
        for key, value in values.items():
            assert (value == table4[key.split(".")[-1]]) == (key not in scaled)
        for split, share in settings.split.shares.items():
            assert share == table4[f"{split}_share"]


def test_committed_values_are_the_papers_unless_marked():
    settings = parse(COMMITTED, "params.yaml")
    assert_holds_table2(settings)
    assert_holds_table4_training(settings, scaled=("learning_rate", "A.epochs"))
    assert settings.subset.persons == PAPER["table4"]["A"]["classes"]
    assert settings.subset.persons * settings.subset.images_per_person == PAPER["table4"]["A"]["images"]
    assert settings.warnings == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("subset.persons", 19, ["570 images", "Table 3", "docs/scale.md"]),
        ("subset.images_per_person", 19, ["570 images"]),
        ("data.image_size", [108, 89], ["108 x 89", "109 x 89", "docs/scale.md"]),
    ],
)
def test_a_scale_too_small_for_table_3_is_allowed_with_a_warning(key, value, words):
    [warning] = parse(changed(key, value), "params.yaml").warnings
    assert all(word in warning for word in words)


@pytest.mark.parametrize(("key", "value"), [("subset.persons", 20), ("data.image_size", [89, 109])])
def test_a_scale_just_large_enough_causes_no_warning(key, value):
    assert parse(changed(key, value), "params.yaml").warnings == []


def test_marked_keys_are_exactly_those_that_leave_the_paper():
    lines = PARAMS.read_text(encoding="utf-8").splitlines()
    marked = set()
    for number, line in enumerate(lines):
        if "▸" in line and not line.startswith("#"):
            key = next(text for text in lines[number + 1 :] if not text.lstrip().startswith("#"))
            marked.add(key.strip().split(":")[0])
    assert marked == {"image_size", "learning_rate", "epochs", "images", "images_per_person", "descriptor"}


def test_make_paper_sets_the_papers_scale(params: Path):
    settings = set_by_make_paper(params, DATA="/faces/celeba", VGG_FACE="/weights/vgg.pth")
    table4 = PAPER["table4"]["A"]
    assert_holds_table2(settings)
    assert_holds_table4_training(settings)
    assert settings.data.source == table4["dataset"]
    assert settings.data.root == "/faces/celeba"
    assert settings.data.image_size == (table4["image_height"], table4["image_width"])
    assert settings.subset.persons == table4["classes"]
    assert settings.subset.persons * settings.subset.images_per_person == table4["images"]
    assert settings.attack.images_per_person is None and settings.attack.p_fgvm_noise.images is None
    assert (settings.train.B.descriptor, settings.train.B.weights) == ("vgg_face", "/weights/vgg.pth")


def test_every_key_stands_below_a_comment():
    commented = False
    for line in PARAMS.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if not text:
            commented = False
        elif text.startswith("#"):
            commented = True
        elif not text.endswith(":"):
            assert commented, f"no comment above {text!r} or its group"


@pytest.mark.parametrize("key", ["attack.lambda", "attack.i_fgvm.epsilon", "attack.i_fgsm.iterations"])
def test_one_number_stands_for_both_models(key: str):
    def read(value: Any) -> Any:
        attack = parse(changed(key, value), "params.yaml").attack
        return {
            "attack.lambda": attack.penalty,
            "attack.i_fgvm.epsilon": attack.i_fgvm.epsilon,
            "attack.i_fgsm.iterations": attack.i_fgsm.iterations,
        }[key]

    assert read(3) == {"A": 3, "B": 3} == read({"B": 3, "A": 3})
    assert read({"A": 4, "B": 7}) == {"A": 4, "B": 7}


def test_a_null_cap_means_all():
    attack = parse(changed("attack.images_per_person", None), "params.yaml").attack
    assert attack.images_per_person is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        # misspelt or misplaced: the closest key is named, or the valid ones
        ("attack.lamda", 0.3, ["attack.lamda", "did you mean lambda?"]),
        ("train.B.wieghts", "vgg.pth", ["train.B.wieghts", "did you mean weights?"]),
        ("attack.p_fgvm.step_sise", 1.0, ["attack.p_fgvm.step_sise", "did you mean step_size?"]),
        ("datta", {}, ["datta", "did you mean data?"]),
        ("attack.penalty", 0.3, ["attack.penalty", "lambda"]),
        ("attack.p_fgvm.epsilon", 0.3, ["attack.p_fgvm.epsilon", "step_size, iterations"]),
        # of the wrong type
        ("attack.lambda", "abc", ["attack.lambda", "number", "'abc'"]),
        ("attack.lambda", "0.3", ["attack.lambda", "number", "'0.3'"]),
        ("attack.lambda", None, ["attack.lambda", "number"]),
        ("attack.lambda", [0.22, 0.28], ["attack.lambda", "number"]),
        ("attack.lambda", True, ["attack.lambda", "number", "True"]),
        ("subset.persons", True, ["subset.persons", "integer", "True"]),
        ("subset.persons", "8", ["subset.persons", "integer", "'8'"]),
        ("subset.persons", 8.5, ["subset.persons", "integer", "8.5"]),
        ("train.B.freeze_descriptor", 1, ["train.B.freeze_descriptor", "boolean"]),
        ("train.A", 147, ["train.A", "147"]),
        ("data.root", 5, ["data.root", "string"]),
        ("data.image_size", 109, ["data.image_size", "109"]),
        ("data.image_size", [109], ["data.image_size"]),
        ("data.image_size", [109, 89, 3], ["data.image_size"]),
        ("data.image_size", ["109", 89], ["data.image_size", "integer"]),
        # for the models
        ("attack.lambda", {"A": 0.22}, ["attack.lambda", "A and B"]),
        ("attack.lambda", {}, ["attack.lambda", "A and B"]),
        ("attack.lambda", {"A": 0.22, "C": 0.28}, ["attack.lambda.C"]),
        ("attack.lambda", {"A": 0.22, "B": "abc"}, ["attack.lambda.B", "number", "'abc'"]),
        ("attack.i_fgsm.epsilon", {"A": 0.026, "B": -0.026}, ["attack.i_fgsm.epsilon.B", "greater than 0"]),
        # out of range
        ("attack.i_fgsm.epsilon", -0.026, ["attack.i_fgsm.epsilon", "greater than 0", "-0.026"]),
        ("attack.i_fgvm.epsilon", 0, ["attack.i_fgvm.epsilon", "greater than 0"]),
        ("attack.lambda", -0.1, ["attack.lambda", "greater than or equal to 0"]),
        ("attack.lambda", float("nan"), ["attack.lambda", "finite"]),
        ("attack.lambda", float("inf"), ["attack.lambda", "finite"]),
        ("attack.p_fgvm_noise.mean", float("-inf"), ["attack.p_fgvm_noise.mean", "finite"]),
        ("attack.p_fgvm.iterations", 0, ["attack.p_fgvm.iterations", "greater than 0"]),
        ("attack.images_per_person", 0, ["attack.images_per_person", "greater than 0"]),
        ("subset.persons", 1, ["subset.persons", "2"]),
        ("subset.images_per_person", 2, ["subset.images_per_person", "3"]),
        ("subset.seed", -1, ["subset.seed", "0"]),
        ("train.batch_size", 1, ["train.batch_size", "2"]),
        ("train.learning_rate", 0, ["train.learning_rate", "greater than 0"]),
        ("data.image_size", [31, 89], ["data", "image_size", "32"]),
        ("data.root", "", ["data.root"]),
        ("split.test", 0, ["split.test", "greater than 0"]),
        ("split.train", 1, ["split.train", "less than 1"]),
        ("attack.p_fgvm_features.mirror", "sometimes", ["attack.p_fgvm_features.mirror", "boolean", "'sometimes'"]),
        # unknown values
        ("data.source", "celebA", ["data.source", "'celeba'", "'celebA'"]),
        ("device", "gpu", ["device", "'cuda'", "'gpu'"]),
        ("attack.target", "likely", ["attack.target", "'least_likely'"]),
        ("train.checkpoint", "first", ["train.checkpoint", "'best'"]),
        # inconsistent
        ("split.train", 0.8, ["split", "sum to 1", "1.1"]),
        ("data.source", "celeba", ["data", "celeba", "set data.root"]),
        ("data.source", "folder", ["data", "folder", "set data.root"]),
        ("train.B.descriptor", "arcface", ["train.B.descriptor", "vgg_face or dlib or sface", "'arcface'"]),
        (
            "attack.p_fgvm_features.descriptors",
            ["dlib", "arcface"],
            ["attack.p_fgvm_features.descriptors", "vgg_face or dlib or sface", "'arcface'"],
        ),
        ("train.B.weights", None, ["train.B.weights", "string"]),
        ("train.B.weights", "", ["train.B.weights"]),
        (
            "subset.images_per_person",
            6,
            ["subset.images_per_person is 6", "split.validation, 0.15, is less than one image"],
        ),
        ("evaluation.lpips", "../alexnet.pth", ["evaluation.lpips", "outside evaluation.root"]),
        # of an older version
        ("evaluation.parts", ["quality"], ["evaluation.parts", "make evaluation"]),
    ],
)
def test_a_wrong_value_is_refused_by_name(key: str, value: Any, words: list[str]):
    message = refusal(changed(key, value))
    assert message.startswith("params.yaml: ")
    for word in words:
        assert word in message


@pytest.mark.parametrize("file", ["/elsewhere/mine.onnx", "../mine.onnx", "deeper/../../mine.onnx", ""])
def test_a_recogniser_that_dvc_would_not_hash_is_refused(file: str):
    message = refusal(changed("evaluation.recognisers", {"mine": {"file": file, "input_size": [112, 112]}}))
    assert message.startswith("params.yaml: setting evaluation.recognisers.mine.file: ") and repr(file) in message
    parse(changed("evaluation.recognisers", {"mine": {"file": "deeper/mine.onnx", "input_size": [112, 112]}}), "a")


@pytest.mark.parametrize("key", ["data", "attack.lambda", "train.B.weights", "split.seed"])
def test_a_missing_key_is_named(key: str):
    assert f"setting {key} is missing" in refusal(without(key))


def test_every_wrong_key_is_named_at_once_and_only_once():
    values = changed("attack.lambda", "abc")
    values["subset"]["persons"] = "many"
    lines = refusal(values).splitlines()
    assert len(lines) == 2
    assert "subset.persons" in lines[0] and "attack.lambda" in lines[1]


def test_another_source_needs_another_root():
    values = changed("data.root", "somewhere/celeba")
    values["data"]["source"] = "celeba"
    assert parse(values, "params.yaml").data.source == "celeba"


@pytest.mark.parametrize("share", [0.15 + 2e-9, 0.15 - 2e-9])
def test_shares_sum_to_one_up_to_rounding_alone(share: float):
    assert "sum to 1" in refusal(changed("split.test", share))
    thirds = changed("split.train", 1 / 3)
    thirds["split"] |= {"validation": 1 / 3, "test": 1 / 3}
    assert parse(thirds, "params.yaml").split.train == 1 / 3


@pytest.mark.parametrize("content", [None, [], "words", 3])
def test_a_file_that_is_no_mapping_is_refused(content: Any):
    assert refusal(content).startswith("params.yaml: ")


def test_the_committed_file_reads(params: Path):
    assert read_settings() == parse(COMMITTED, "params.yaml")


def test_a_number_as_dvc_writes_it_stays_a_number(params: Path):
    apply_overrides(params, ["attack.i_fgvm.epsilon=0.000001", "train.learning_rate=1e-6"])
    assert "1e-06" in params.read_text(encoding="utf-8")
    settings = read_settings()
    assert settings.attack.i_fgvm.epsilon == {"A": 1e-6, "B": 1e-6}
    assert settings.train.learning_rate == 1e-6


def test_an_override_of_a_mapping_by_one_number_reads(params: Path):
    apply_overrides(params, ["attack.lambda=0.28"])
    assert read_settings().attack.penalty == {"A": 0.28, "B": 0.28}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: [1, 2\nsplit: }", ["not valid YAML", "line 2"]),
        ("device: auto\ndevice: cpu\n", ["device", "duplicate", "line 2"]),
        ("attack:\n  lambda: 0.2\n  lambda: 0.3\n", ["lambda", "duplicate", "line 3"]),
        ("device: auto\n---\ndevice: cpu\n", ["not valid YAML"]),
        ("device: !!python/object/apply:os.getcwd []\n", ["not valid YAML"]),
        ("device: *nothing\n", ["not valid YAML", "nothing"]),
        ("", ["params.yaml"]),
        ("# only a comment\n", ["params.yaml"]),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(params: Path, text: str, words: list[str]):
    params.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_settings()
    for word in ["params.yaml", *words]:
        assert word in str(refused.value)


def test_a_file_of_another_encoding_is_named(params: Path):
    params.write_bytes(params.read_bytes() + b"# caf\xe9\n")
    with pytest.raises(InputError, match=r"params\.yaml"):
        read_settings()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml: cannot be read"):
        read_settings()


ODD_NAMES = [
    "celeba (1)", "Téléchargements", "下载", "a,b", "R&D", "it's", 'a"b', "a\\b", 'a\\"b', "#x", "a=b", "[x]", "{y}",
    "a: b", "$HOME", "- x", "null", "5", "a # b", "%s", "!tag", "`ls`", "two  words ",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_make_paper_takes_a_folder_and_a_file_of_any_name(params: Path, name: str):
    settings = set_by_make_paper(params, DATA=f"/faces/{name}", VGG_FACE=name)
    assert settings.data.root == f"/faces/{name}" and settings.train.B.weights == name
