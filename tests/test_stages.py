"""The command line of the stages, and the first stages as programs: complete files, one message per user error."""

import csv
import errno
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from faces_on_disk import celeba, folders, identities, people, picture
from ruamel.yaml import YAML
from torch import nn

from pfgvm.attacks.methods.p_fgvm_noise import noise_images
from pfgvm.errors import InputError
from pfgvm.models import model_a
from pfgvm.models.training_record import TrainingRecord
from pfgvm.settings import Attack, parse
from stages.adversarial.adversarial_set import row_type
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.method_modules import load_method
from stages.common.data_frames import csv_text, read_table, write_table
from stages.common.face_archive import read_images, read_pixels, write_faces
from stages.common.files import atomic_write
from stages.common.program import run
from stages.networks.trained_model import TrainedModel
from tests.committed_settings import changed
from tests.project import Project

ROOT = Path(__file__).parent.parent
SMALL = {"data.source": "celeba", "data.root": "faces", "subset.persons": 2, "subset.images_per_person": 7}
SETTINGS = ["--out", "out/settings.txt"]
SELECT = ["--subset", "out/subset.csv", "--faces", "out/faces.zip"]
SPLIT = ["--subset", "out/subset.csv", "--split", "out/split.csv"]
# Names like numbers, like YAML's and pandas' missing values, and with CSV's special characters.
AWKWARD = ["001", "NA", "null", "nan", "True", "1e5", "a,b", 'the "first"', "it's", "Zoë", " spaced "]


def configure(folder: Path, **changes: Any) -> None:
    """Write params.yaml for a small subset of the faces in `folder`/faces, with `changes` (__ for the dot)."""
    values = changed(SMALL | {key.replace("__", "."): value for key, value in changes.items()})
    YAML(typ="safe", pure=True).dump(values, folder / "params.yaml")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/installed-weights").touch()


# Used by `stage`.
pytestmark = pytest.mark.usefixtures("warm_python")


def stage(name: str, arguments: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run the stage `name` in `folder` as DVC does, optionally with additional environment variables."""
    command = [sys.executable if environment else "python", "-m", f"stages.{name}", *arguments]
    variables = Project(ROOT).environment | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def outputs(folder: Path) -> dict[str, bytes]:
    """Every file in `folder`/out, including hidden ones."""
    return {path.name: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}


def succeed(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stderr


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


# ── Atomic writes ──


def test_an_atomic_write_puts_the_file_in_its_place(tmp_path: Path):
    path = tmp_path / "new" / "table.csv"
    with atomic_write(path) as partial:
        partial.write_text("whole")
        assert not path.exists() and partial.parent == path.parent
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("problem", [InputError("bad"), KeyboardInterrupt(), OSError("disk full")])
def test_an_atomic_write_keeps_the_old_file_alone_when_it_fails(tmp_path: Path, problem: BaseException):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(type(problem)), atomic_write(path) as partial:
        partial.write_text("half")
        raise problem
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_tables_keep_text_as_it_is(tmp_path: Path):
    numbers = ["001", "010", "1e5", "7"]
    for column in ([*AWKWARD, "é", ""], numbers):
        table = pd.DataFrame({"image": [f"{name}/1.jpg" for name in column], "person": column})
        write_table(table, tmp_path / "table.csv")
        assert read_table(tmp_path / "table.csv").to_dict("list") == table.to_dict("list")


def test_a_zip_of_faces_is_the_same_whatever_the_order(tmp_path: Path):
    files = {f"{number}.jpg": picture(number) for number in range(5)}
    write_faces(files, files.__getitem__, tmp_path / "one.zip")
    write_faces(reversed(files), files.__getitem__, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
        # The time of writing would change the bytes in every run.
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_zip_of_faces_takes_the_memory_of_one(tmp_path: Path):
    tracemalloc.start()
    write_faces(map(str, range(30)), lambda name: name.encode() * 1_000_000, tmp_path / "faces.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000 < (tmp_path / "faces.zip").stat().st_size


def test_pixels_come_in_the_order_asked_for(tmp_path: Path):
    files = {f"ann/{number}.png": picture(number, size=(40, 50)) for number in range(3)}
    write_faces(files, files.__getitem__, tmp_path / "faces.zip")
    pixels = read_pixels(tmp_path / "faces.zip", ["ann/2.png", "ann/0.png"], (50, 40))
    assert pixels.shape == (2, 3, 50, 40) and pixels.dtype == np.uint8
    assert np.array_equal(pixels[1:], read_pixels(tmp_path / "faces.zip", ["ann/0.png"], (50, 40)))
    images = read_images(tmp_path / "faces.zip", ["ann/2.png", "ann/0.png"], (50, 40))
    assert images.dtype == np.float32 and images.min() >= 0 and images.max() <= 1
    assert np.array_equal(np.rint(images * 255), pixels)


# ── The command line ──


def test_run_takes_an_option_a_parameter(monkeypatch: pytest.MonkeyPatch):
    taken = {}

    def main(model: str, out: Path) -> None:
        taken.update(model=model, out=out)

    monkeypatch.setattr(sys, "argv", ["stage", "--out", "a/b.csv", "--model", "A"])
    run(main)
    assert taken == {"model": "A", "out": Path("a/b.csv")}


def raising(problem: Exception) -> Callable[[], None]:
    def main() -> None:
        raise problem

    return main


def message_of(main: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as left:
        run(main)
    return left.value.code


def test_run_turns_bad_input_alone_into_a_message(monkeypatch: pytest.MonkeyPatch):
    # Python prints the message and exits with status 1.
    assert message_of(raising(InputError("faces: is empty")), monkeypatch) == "error: faces: is empty"
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENAMETOOLONG, "shorten the name"),
        (errno.EACCES, "change its permissions, or name another path"),
        (errno.EIO, "name another path"),
    ],
)
def test_what_the_operating_system_refuses_is_one_line_with_a_remedy(number, remedy, monkeypatch):
    message = message_of(raising(OSError(number, os.strerror(number), "a/b.csv")), monkeypatch)
    assert message == f"error: a/b.csv: {os.strerror(number)}; {remedy}"


def test_a_file_in_a_folders_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "taken").write_text("a file")

    def main() -> None:
        write_table(pd.DataFrame(), tmp_path / "taken/deeper/a.csv")

    message = message_of(main, monkeypatch)
    assert message.startswith(f"error: {tmp_path / 'taken/deeper'}: Not a directory; name a folder")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_reported_by_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def main() -> None:
        with atomic_write(tmp_path / "a.csv") as partial:
            partial.write_bytes(b"half")
            # Its error has no file name.
            Path("/dev/full").write_bytes(b"all")

    message = message_of(main, monkeypatch)
    assert message.startswith(f"error: {tmp_path / 'a.csv'}: No space left on device; free some space")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch):
    def main() -> None:
        csv_text(pd.DataFrame({"image": ["caf\udce9.jpg"]}))

    message = message_of(main, monkeypatch)
    assert message.startswith("error: ") and r"caf\udce9.jpg" in message and "not UTF-8" in message


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_output_never_fails_for_its_encoding(encoding: str):
    program = r"from stages.common.program import run; run(lambda: print('写 → caf\udce9'))"
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    escaped = "写 → caf\udce9\n".encode(encoding, "backslashreplace")
    assert done.stdout == escaped


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path: Path):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    for name in ("a" * longest, "写" * (longest // 3)):
        with atomic_write(tmp_path / name) as partial:
            partial.write_text(name)
        assert (tmp_path / name).read_text() == name


def test_a_forgotten_option_is_named(tmp_path: Path):
    done = stage("select", SELECT[:2], tmp_path)
    assert done.returncode == 2 and "--faces" in done.stderr and "Traceback" not in done.stderr


# ── Select and split ──


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_select_and_split_keep_their_contract(tmp_path: Path, zipped: bool):
    faces = people(3, 8)
    celeba(tmp_path / "faces", faces, zipped=zipped, newline="\r\n")
    configure(tmp_path)
    succeed(stage("settings", SETTINGS, tmp_path))
    succeed(stage("select", SELECT, tmp_path))
    succeed(stage("split", SPLIT, tmp_path))
    assert set(outputs(tmp_path)) == {"settings.txt", "subset.csv", "faces.zip", "split.csv"}

    subset = list(csv.reader((tmp_path / "out" / "subset.csv").open(encoding="utf-8", newline="")))
    assert subset[0] == ["image", "person"]
    assert subset[1:] == sorted(subset[1:]) and len(subset[1:]) == 14
    assert set(Counter(person for _, person in subset[1:]).values()) == {7}
    assert all(image in faces[person] for image, person in subset[1:])
    with zipfile.ZipFile(tmp_path / "out" / "faces.zip") as archive:
        assert sorted(archive.namelist()) == [image for image, _ in subset[1:]]
        assert all(archive.read(image) == faces[person][image] for image, person in subset[1:])

    split = list(csv.reader((tmp_path / "out" / "split.csv").open(encoding="utf-8", newline="")))
    assert split[0] == ["image", "person", "split"]
    assert [row[:2] for row in split[1:]] == subset[1:]
    assert set(Counter((person, name) for _, person, name in split[1:])) == {
        (person, name) for person in {row[1] for row in subset[1:]} for name in ("train", "validation", "test")
    }


def test_two_runs_give_the_same_bytes(tmp_path: Path):
    faces, written = people(4, 9), []
    celeba(tmp_path / "one" / "faces", faces)
    # The same faces in the other layout, in reverse order, with another hash seed and locale.
    turned = {person: dict(reversed(images.items())) for person, images in reversed(faces.items())}
    celeba(tmp_path / "two" / "faces", turned, zipped=True, newline="\r\n")
    for folder, environment in {"one": {"PYTHONHASHSEED": "1"}, "two": {"PYTHONHASHSEED": "2", "LC_ALL": "C"}}.items():
        configure(tmp_path / folder)
        succeed(stage("select", SELECT, tmp_path / folder, **environment))
        succeed(stage("split", SPLIT, tmp_path / folder, **environment))
        written.append(outputs(tmp_path / folder))
    assert set(written[0]) == {"subset.csv", "faces.zip", "split.csv"}
    assert written[0] == written[1]


def test_the_seeds_reach_both_stages(tmp_path: Path):
    celeba(tmp_path / "faces", people(4, 9))
    configure(tmp_path)
    succeed(stage("select", SELECT, tmp_path))
    succeed(stage("split", SPLIT, tmp_path))
    before = outputs(tmp_path)
    configure(tmp_path, split__seed=1)
    succeed(stage("split", SPLIT, tmp_path))
    assert outputs(tmp_path)["split.csv"] != before["split.csv"]
    configure(tmp_path, subset__seed=1)
    succeed(stage("select", SELECT, tmp_path))
    assert outputs(tmp_path)["subset.csv"] != before["subset.csv"]


def test_persons_of_any_name_survive_both_stages(tmp_path: Path):
    folders(tmp_path / "faces", people(AWKWARD, 7))
    configure(tmp_path, data__source="folder", subset__persons=len(AWKWARD))
    succeed(stage("select", SELECT, tmp_path))
    succeed(stage("split", SPLIT, tmp_path))
    for name in ["subset.csv", "split.csv"]:
        table = read_table(tmp_path / "out" / name)
        assert set(table["person"]) == set(AWKWARD)
        assert (table["image"].str.rsplit("/", n=1).str[0] == table["person"]).all()


def test_a_repeated_picture_is_reported(tmp_path: Path):
    faces = people(2, 8)
    faces["10"]["000001.jpg"] = faces["10"]["000002.jpg"] = picture("repeated")
    celeba(tmp_path / "faces", faces)
    configure(tmp_path)
    done = stage("select", SELECT, tmp_path)
    succeed(done)
    assert re.match(r"note: 00000[12]\.jpg repeats 00000[12]\.jpg \(person 10\)", done.stderr)


@pytest.mark.parametrize("program", ["settings", "select", "split"])
def test_wrong_settings_stop_every_stage(tmp_path: Path, program: str):
    celeba(tmp_path / "faces", people(2, 7))
    configure(tmp_path, attack__lamda=0.3)
    arguments = {"settings": SETTINGS, "select": SELECT, "split": SPLIT}[program]
    assert_refused(stage(program, arguments, tmp_path), "params.yaml", "attack.lamda", "did you mean lambda?")
    assert outputs(tmp_path) == {}


def test_a_broken_settings_file_stops_a_stage(tmp_path: Path):
    assert_refused(stage("select", SELECT, tmp_path), "params.yaml", "run from the project's folder")
    (tmp_path / "params.yaml").write_text("data: [1, 2\n")
    assert_refused(stage("select", SELECT, tmp_path), "params.yaml", "not valid YAML")
    assert outputs(tmp_path) == {}


def no_identities(faces: Path) -> None:
    (faces / "identity_CelebA.txt").unlink()


def broken_zip(faces: Path) -> None:
    shutil.rmtree(faces / "img_align_celeba")
    (faces / "img_align_celeba.zip").write_bytes(b"PK\x03\x04 and no more")


def too_few_images(faces: Path) -> None:
    identities(faces, [f"{number:06}.jpg {10 if number < 8 else 20}" for number in range(1, 14)])


def text_picture(faces: Path) -> None:
    (faces / "img_align_celeba" / "000004.jpg").write_text("not a picture")


@pytest.mark.parametrize(
    ("program", "damage", "words"),
    [
        # Errors that do not need the images stop the run at its first stage.
        ("settings", no_identities, ["faces", "identity_CelebA.txt"]),
        ("settings", broken_zip, ["img_align_celeba.zip", "download it again"]),
        ("select", too_few_images, ["1 persons", "2 are asked for", "subset.persons"]),
        ("select", text_picture, ["000004.jpg", "not a complete image", "replace or remove"]),
    ],
)
def test_bad_faces_stop_a_stage(tmp_path: Path, program: str, damage: Callable[[Path], None], words: list[str]):
    celeba(tmp_path / "faces", people(2, 7))
    configure(tmp_path)
    damage(tmp_path / "faces")
    assert_refused(stage(program, {"settings": SETTINGS, "select": SELECT}[program], tmp_path), *words)
    assert outputs(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["cannot be read"]),
        (b"", ["is empty", "vgg_face"]),
        (b"<!doctype html>", ["is no plain PyTorch weights file"]),
    ],
    ids=["missing", "empty", "web page"],
)
def test_bad_weights_stop_the_first_stage(tmp_path: Path, content: bytes | None, words: list[str]):
    celeba(tmp_path / "faces", people(2, 7))
    configure(tmp_path, train__B__descriptor="vgg_face", train__B__weights="vgg_face_dag.pth")
    if content is not None:
        (tmp_path / "vgg_face_dag.pth").write_bytes(content)
    assert_refused(stage("settings", SETTINGS, tmp_path), "vgg_face_dag.pth", "train.B.weights", *words)
    assert outputs(tmp_path) == {}


def test_missing_weights_of_lpips_stop_the_evaluations_first_stage(tmp_path: Path):
    configure(tmp_path, evaluation__lpips="alexnet-owt-7be5be79.pth")
    refused = stage("evaluation.settings", SETTINGS, tmp_path)
    assert_refused(refused, "data/recognisers/alexnet-owt-7be5be79.pth", "cannot be read", "evaluation.lpips")
    assert outputs(tmp_path) == {}


def test_a_small_scale_is_run_with_a_warning(tmp_path: Path):
    celeba(tmp_path / "faces", people(3, 8))
    configure(tmp_path)
    done = stage("settings", SETTINGS, tmp_path)
    succeed(done)
    assert re.fullmatch(r"warning: subset\.persons .* 14 images.*\n", done.stderr)
    assert set(outputs(tmp_path)) == {"settings.txt"}


def test_a_failed_run_keeps_the_earlier_outputs(tmp_path: Path):
    celeba(tmp_path / "faces", people(2, 7))
    configure(tmp_path)
    succeed(stage("select", SELECT, tmp_path))
    before = outputs(tmp_path)
    text_picture(tmp_path / "faces")
    assert_refused(stage("select", SELECT, tmp_path), "000004.jpg")
    assert outputs(tmp_path) == before


# ── An adversarial set's images and a model's files ──


def attack_settings(**changes: Any) -> Attack:
    """The committed settings of the section `attack` with `changes` (__ for the dot)."""
    return parse(changed({f"attack.{key.replace('__', '.')}": value for key, value in changes.items()}), "").attack


def attacked(folder: Path, rows: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    write_table(rows, folder / "split.csv")
    return attacked_images(folder / "split.csv", attack_settings(**changes))


ROWS = pd.DataFrame(
    [(f"{person}/{number}.jpg", person, "train") for person in ["001", "NA"] for number in range(20)],
    columns=["image", "person", "split"],
)


def test_all_images_are_attacked_when_nothing_caps_them(tmp_path: Path):
    assert attacked(tmp_path, ROWS, images_per_person=None).to_dict("list") == ROWS.to_dict("list")


def test_a_cap_holds_for_each_person_and_by_name(tmp_path: Path):
    capped = attacked(tmp_path, ROWS, images_per_person=3)
    assert Counter(capped["person"]) == {"001": 3, "NA": 3}
    assert list(capped.index) == list(range(6))
    turned = attacked(tmp_path, ROWS[::-1], images_per_person=3)
    assert sorted(turned["image"]) == sorted(capped["image"])
    assert set(capped["image"]) < set(attacked(tmp_path, ROWS, images_per_person=5)["image"])
    assert set(capped["image"]) != set(attacked(tmp_path, ROWS, images_per_person=3, seed=1)["image"])


def test_the_noise_start_takes_as_many_images_as_are_asked_for():
    names = list(ROWS["image"])
    few = noise_images(attack_settings(p_fgvm_noise__images=2), names)
    assert len(few) == 2 and set(few) < set(names)
    assert sorted(noise_images(attack_settings(p_fgvm_noise__images=None), names)) == sorted(names)


def test_a_row_of_a_set_holds_the_longest_names():
    row = np.zeros(1, row_type("P-FGVM", "dlib", ["a", "李小龍/000001.jpg"], ["1", "Zoë Example"], (5, 4)))
    row["image"], row["target"] = "李小龍/000001.jpg", "Zoë Example"
    assert row["image"][0] == "李小龍/000001.jpg" and row["target"][0] == "Zoë Example"
    assert row["pixels"].shape == (1, 3, 5, 4) and row["pixels"].dtype == np.float32


def record(**changes: Any) -> TrainingRecord:
    """A record of Model A trained on three identities."""
    shares = {f"{name}_{kind}": 1 for name in ("train", "validation", "test") for kind in ("size", "accuracy")}
    values = {
        "model": "A", "descriptor": "none", "descriptor_sha256": None, "frozen": None, "dataset": "folder",
        "classes": ["001", "NA", "Zoë"], "images": 3, "image_height": 32, "image_width": 36, "normalization": "MinMax",
        "learning_rate": 1e-4, "optimization": "Adam", "loss": "Cross Entropy", "batch_size": 16, "epochs": 1,
        "epoch_used": 1, "layers": [], "device": "cpu", "versions": {},
    }  # fmt: skip
    return TrainingRecord(**shares, **values | changes)


@pytest.fixture
def trained(tmp_path: Path) -> nn.Module:
    """Model A with non-default weights, stored in the folder A."""
    torch.manual_seed(0)
    model = model_a(3, (32, 36)).eval()
    model.load_state_dict({name: value + 1 for name, value in model.state_dict().items()})
    TrainedModel.write(model, record(), tmp_path / "A")
    return model


def test_a_model_comes_back_as_it_was_written(trained, tmp_path: Path):
    again = TrainedModel.read(tmp_path / "A")
    assert again.record == record()
    network = again.network(torch.device("cpu"))
    assert not network.training
    weights = network.state_dict()
    assert weights.keys() == trained.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in trained.state_dict().items())


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 900), lambda path: os.truncate(path, 0)]
)
@pytest.mark.parametrize("name", ["model.safetensors", "training.json"])
def test_a_damaged_model_is_named_with_the_remedy(trained, tmp_path: Path, name: str, damage: Callable[[Path], None]):
    damage(tmp_path / "A" / name)
    with pytest.raises(InputError, match=rf"A/{name}: is not a complete .*dvc repro --force --single-item train@A$"):
        TrainedModel.read(tmp_path / "A").network(torch.device("cpu"))


def test_weights_of_another_model_are_named(trained, tmp_path: Path):
    TrainedModel.write(model_a(4, (32, 36)), record(), tmp_path / "A")
    with pytest.raises(InputError, match=r"model\.safetensors: is not a complete weights file"):
        TrainedModel.read(tmp_path / "A").network(torch.device("cpu"))


def test_an_unknown_method_is_named():
    with pytest.raises(InputError, match=r"method 'q_fgvm': there is no pfgvm/attacks/methods/q_fgvm\.py"):
        load_method("q_fgvm")
    with pytest.raises(InputError, match=r"method '\.\./x'"):
        load_method("../x")


def test_scores_of_all_sets_are_one_table_that_names_methods_by_their_labels(tmp_path: Path):
    files = [f"scores/A/{method}.csv" for method in ("p_fgvm", "i_fgsm", "random_equal_l2")]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"image,model,method\n1.jpg,A,{Path(name).stem}\n")
    succeed(stage("scores", ["--scores", *files, "--out", "out/scores.csv"], tmp_path))
    table = read_table(tmp_path / "out/scores.csv")
    assert table["method"].tolist() == ["P-FGVM", "I-FGSM", "Random (equal L2)"]
    assert set(table["image"]) == {"1.jpg"} and set(table["model"]) == {"A"}
