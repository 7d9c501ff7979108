"""Other tools' images: exported faces, images imported under the same names, and the control of equal L2."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faces_on_disk import encoded, picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML

from pfgvm import seeding
from pfgvm.attacks import random_equal_l2
from pfgvm.attacks.methods.random_equal_l2 import random_control
from pfgvm.errors import InputError
from pfgvm.faces.external_images import exported_names, matching_files, read_external, tools_folders
from stages.adversarial.adversarial_set import read_set
from stages.common.face_archive import read_pixels, write_faces
from stages.evaluation import external
from tests.committed_settings import changed
from tools import export

SIZE = (48, 40)
IMAGES = ["000003.jpg", "000001.jpg", "000002.jpg"]


def laid_out(folder: Path, *names: str) -> Path:
    """Write noise images of SIZE, all different, under `names` to `folder`."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(name, size=SIZE[::-1]))
    folder.mkdir(exist_ok=True)
    return folder


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as refused:
        call()
    return str(refused.value)


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_image_is_exported_without_its_ending_unless_two_would_share_a_name():
    images = ["000001.jpg", "Ann Lee/a.b.jpg", "Ann Lee/c", "a.jpg", "a.png", "b/a.jpg"]
    names = ["000001", "Ann Lee/a.b", "Ann Lee/c", "a.jpg", "a.png", "b/a"]
    assert exported_names(images) == dict(zip(images, names, strict=True))


def test_what_comes_back_under_exported_names_is_matched(tmp_path: Path, capsys: pytest.CaptureFixture):
    images = ["a.jpg", "a.png", "b/a.jpg", "b.c.jpg", "Zoë/x 1.webp"]
    names = exported_names(images)
    folder = laid_out(tmp_path / "tool", *(f"{name}.PNG" for name in names.values()))
    assert matching_files(folder, images) == {image: folder / f"{name}.PNG" for image, name in names.items()}
    assert capsys.readouterr().err == ""


def test_endings_may_differ_and_the_order_is_that_of_the_images(tmp_path: Path):
    folder = laid_out(tmp_path / "tool", "000001.png", "000002.webp", "000003.JPEG", ".DS_Store", "000001/.hidden.png")
    matches = matching_files(folder, IMAGES)
    assert list(matches) == IMAGES
    assert [path.name for path in matches.values()] == ["000003.JPEG", "000001.png", "000002.webp"]


def test_a_folder_in_a_tools_folder_is_part_of_the_name(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = laid_out(tmp_path / "tool", "Ann/1.png", "1.png")
    assert matching_files(folder, ["Ann/1.jpg", "Bo/1.jpg"]) == {"Ann/1.jpg": folder / "Ann/1.png"}
    noted = capsys.readouterr().err
    assert "no file for Bo/1.jpg:" in noted and "no image for 1.png:" in noted


def test_missing_and_extra_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = laid_out(tmp_path / "tool", "000002.png", "README.md", *(f"{number}.png" for number in range(7)))
    assert list(matching_files(folder, IMAGES)) == ["000002.jpg"]
    missing, extra, others = capsys.readouterr().err.splitlines()
    assert "no file for 000003.jpg, 000001.jpg:" in missing and str(folder) in missing
    assert "no image for 0.png, 1.png, 2.png, 3.png, 4.png and 2 more:" in extra
    assert "README.md" in others


def test_a_folder_without_any_match_is_refused(tmp_path: Path):
    folder = laid_out(tmp_path / "tool", "one.png", "two.png")
    message = refusal(lambda: matching_files(folder, IMAGES))
    assert str(folder) in message and "none of its 2" in message and "make export" in message
    assert "none of its 0" in refusal(lambda: matching_files(laid_out(tmp_path / "empty"), IMAGES))


@pytest.mark.parametrize("theirs", ["NFC", "NFD"])
@pytest.mark.parametrize("ours", ["NFC", "NFD"])
def test_unicodes_forms_of_one_name_match(tmp_path: Path, ours: str, theirs: str):
    # macOS, and archives from it, decompose letters with accents.
    images = [unicodedata.normalize(ours, f"José/Zoë {number}.jpg") for number in range(2)]
    names = [unicodedata.normalize(theirs, f"{name}.png") for name in exported_names(images).values()]
    folder = laid_out(tmp_path / "tool", *names)
    assert matching_files(folder, images) == {image: folder / name for image, name in zip(images, names, strict=True)}


def test_exported_names_meet_on_no_file_system():
    assert exported_names(["ann/a.jpg", "ann/a.png", "ann/a.jpg.png"]) == {
        name: name for name in ("ann/a.jpg", "ann/a.png", "ann/a.jpg.png")
    }
    # macOS and Windows distinguish neither case nor Unicode's normal forms.
    twins = ["Ann/1.jpg", "ann/1.jpg", "Jose\u0301.jpg", "Jos\u00e9.jpg", "b.jpg"]
    names = exported_names(twins)
    assert (
        names["b.jpg"] == "b" and len({unicodedata.normalize("NFC", name).casefold() for name in names.values()}) == 5
    )


PARTS = st.text("aB.~1é\u0301", min_size=1, max_size=5).filter(lambda part: part.strip("."))


@given(st.lists(st.tuples(PARTS, st.sampled_from(["", ".jpg", ".png", ".JPG"])).map("".join), unique=True, max_size=6))
def test_every_image_has_an_exported_name_of_its_own_whatever_the_order(images: list[str]):
    names = exported_names(images)
    assert list(names) == images
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names.values()}) == len(images)
    assert exported_names(images[::-1]) == names


def test_a_link_to_nothing_is_named(tmp_path: Path):
    folder = laid_out(tmp_path / "tool", "000001.png")
    (folder / "000002.png").symlink_to("/nowhere/x.png")
    message = refusal(lambda: external.main(split=tmp_path / "split.csv", external=tmp_path, out=tmp_path / "out.npy"))
    assert message.startswith(f"{folder / '000002.png'}: is a link to nothing")


def test_two_files_for_one_image_are_refused(tmp_path: Path):
    folder = laid_out(tmp_path / "tool", "000001.png", "000001.webp", "000002.png")
    message = refusal(lambda: matching_files(folder, IMAGES))
    assert "000001.png and 000001.webp" in message and str(folder) in message


def test_every_folder_is_a_tool(tmp_path: Path):
    laid_out(tmp_path, "zeta/1.png", "alpha/1.png", ".git/1.png", "README.md")
    assert [path.name for path in tools_folders(tmp_path)] == ["alpha", "zeta"]
    assert tools_folders(tmp_path / "missing") == []


# ── Images ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_image_is_read_as_it_is(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    (tmp_path / "a").write_bytes(encoded(Image.fromarray(pixels)))
    image = read_external(tmp_path / "a", SIZE)
    assert image.dtype == np.float32 and image.shape == (3, *SIZE)
    assert np.array_equal(np.rint(image * 255), pixels.transpose(2, 0, 1)) and image.max() <= 1


@pytest.mark.parametrize("size", [(40, 47), (48, 40)], ids=str)
def test_an_image_of_another_size_is_refused(tmp_path: Path, size: tuple[int, int]):
    (tmp_path / "a.png").write_bytes(picture(1, size=size))
    message = refusal(lambda: read_external(tmp_path / "a.png", SIZE))
    assert f"{tmp_path / 'a.png'}: is {size[0]} x {size[1]} pixels, not 40 x 48" in message


# ── The stage, and the tool that writes the faces ─────────────────────────────────────────────────────────────────


def configure(folder: Path, images_per_person: int | None) -> None:
    """Write params.yaml for images of SIZE, with `images_per_person` attacked images per identity."""
    values = changed({"data.image_size": list(SIZE), "attack.images_per_person": images_per_person})
    YAML(typ="safe", pure=True).dump(values, folder / "params.yaml")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with small images, all attacked, and a split of four images of two identities."""
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, None)
    lines = ["Ann/1.jpg,Ann,train", "Ann/2.jpg,Ann,test", "Bo/1.jpg,Bo,train", "Bo/1.png,Bo,train"]
    (tmp_path / "split.csv").write_text("\n".join(["image,person,split", *lines]) + "\n")
    return tmp_path


def gathered(project: Path) -> np.ndarray:
    out = project / "out" / "external.npy"
    external.main(split=project / "split.csv", external=project / "external", out=out)
    return read_set(out)


def test_each_tool_is_a_method(project: Path):
    laid_out(project / "external" / "a longer name", "Ann/2.png", "Bo/1.png.png")
    laid_out(project / "external" / "tool", "Ann/1.png")
    (project / "external" / "README.md").touch()
    rows = gathered(project)
    assert list(zip(rows["method"].tolist(), rows["image"].tolist(), strict=True)) == [
        ("a longer name", "Ann/2.jpg"),
        ("a longer name", "Bo/1.png"),
        ("tool", "Ann/1.jpg"),
    ]
    assert set(rows["seen_by"].tolist()) == set(rows["target"].tolist()) == set(rows["model"].tolist()) == {""}
    for row, path in zip(
        rows, ("a longer name/Ann/2.png", "a longer name/Bo/1.png.png", "tool/Ann/1.png"), strict=True
    ):
        assert np.array_equal(row["pixels"], read_external(project / "external" / path, SIZE))


@pytest.mark.parametrize("name", ["k_same", "P-FGVM (noise)"])
def test_a_folder_that_bears_a_methods_name_is_refused(project: Path, name: str):
    laid_out(project / "external" / name, "Ann/1.png")
    assert f"external/{name}: has the name of a method" in refusal(lambda: gathered(project))


def test_without_tools_the_set_is_empty(project: Path):
    for folder in (project / "external", project / "missing"):
        out = project / "out" / "external.npy"
        external.main(split=project / "split.csv", external=folder, out=out)
        assert len(read_set(out)) == 0


def test_one_image_of_a_wrong_size_leaves_no_partial_set(project: Path):
    laid_out(project / "external" / "tool", "Ann/1.png", "Ann/2.png")
    (project / "external" / "tool" / "Ann" / "2.png").write_bytes(picture(0, size=(8, 10)))
    assert "2.png: is 8 x 10 pixels, not 40 x 48" in refusal(lambda: gathered(project))
    assert not list((project / "out").rglob("*.npy"))


def test_exported_faces_are_the_attacked_ones_and_match_when_they_come_back(
    project: Path, capsys: pytest.CaptureFixture
):
    images = ["Ann/1.jpg", "Ann/2.jpg", "Bo/1.jpg", "Bo/1.png"]
    # Larger than the pipeline's size, and of another aspect ratio.
    write_faces(images, lambda name: picture(name, size=(90, 100)), project / "faces.zip")
    out = project / "external" / "unchanged"
    export.main(faces=project / "faces.zip", split=project / "split.csv", out=out)
    assert "4 faces in" in capsys.readouterr().out
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == ["Ann/1.png", "Ann/2.png", "Bo/1.jpg.png", "Bo/1.png.png"]

    faces = read_pixels(project / "faces.zip", images, SIZE)
    for name, face in zip(written, faces, strict=True):
        with Image.open(out / name) as png:
            assert png.format == "PNG" and np.array_equal(np.asarray(png), face.transpose(1, 2, 0))
    rows = gathered(project)
    assert rows["image"].tolist() == images and set(rows["method"].tolist()) == {"unchanged"}
    assert np.array_equal(np.rint(255 * rows["pixels"]), faces)
    assert capsys.readouterr().err == ""


def test_only_attacked_faces_are_exported(project: Path):
    configure(project, 1)
    write_faces(["Ann/1.jpg", "Ann/2.jpg", "Bo/1.jpg", "Bo/1.png"], picture, project / "faces.zip")
    export.main(faces=project / "faces.zip", split=project / "split.csv", out=project / "out")
    drawn = [
        seeding.shuffled([f"Ann/{number}.jpg" for number in (1, 2)], 0, "attacked", "Ann")[0],
        seeding.shuffled(["Bo/1.jpg", "Bo/1.png"], 0, "attacked", "Bo")[0],
    ]
    exported = sorted(path.relative_to(project / "out").with_suffix("") for path in (project / "out").rglob("*.png"))
    assert exported == sorted(Path(image).with_suffix("") for image in drawn)


# ── The control ───────────────────────────────────────────────────────────────────────────────────────────────────


NAMES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def images() -> torch.Tensor:
    return torch.rand((4, 3, 12, 10), generator=torch.Generator().manual_seed(0))


def norms(changed: torch.Tensor) -> list[float]:
    return (changed.double() - images().double()).flatten(1).norm(dim=1).tolist()


def test_the_control_is_as_large_as_what_it_controls():
    sizes = torch.tensor([0, 0.01, 0.1, 0.5]).view(-1, 1, 1, 1)
    protected = (images() + sizes * torch.randn(4, 3, 12, 10, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    control = random_control(images(), protected, NAMES, seed=3)
    assert control.dtype == torch.float32 and control.min() >= 0 and control.max() <= 1
    assert norms(control) == pytest.approx(norms(protected), rel=1e-6)
    assert torch.equal(control[0], images()[0]) and norms(protected)[3] > 5 * norms(protected)[2] / 2
    drawn = [seeding.rng(3, "random", name).standard_normal((3, 12, 10)).astype(np.float32) for name in NAMES]
    l2 = torch.tensor(norms(protected), dtype=torch.float64)
    assert torch.equal(control, random_equal_l2(images(), torch.from_numpy(np.stack(drawn)), l2))


def test_what_noise_cannot_reach_is_capped_where_every_pixel_is_black_or_white():
    # Each pixel moves to its farther bound, which is farther than random noise can reach.
    furthest = (images() < 0.5).float()
    furthest[0] = images()[0]
    control = random_control(images(), furthest, NAMES, seed=3)
    noise = seeding.rng(3, "random", "b.jpg").standard_normal((3, 12, 10))
    assert torch.equal(control[1], torch.from_numpy((noise > 0).astype(np.float32)))
    assert all(ours < theirs for ours, theirs in zip(norms(control)[1:], norms(furthest)[1:], strict=True))
    assert torch.equal(control[0], images()[0])


def test_the_control_of_an_image_depends_on_seed_and_name_alone():
    protected = (images() + 0.05).clamp(0, 1)
    control = random_control(images(), protected, NAMES, seed=3)
    order = [2, 0, 3]
    subset = random_control(images()[order], protected[order], [NAMES[number] for number in order], seed=3)
    assert torch.equal(subset, control[order])
    renamed = random_control(images(), protected, ["a.jpg", "x.jpg", "c.jpg", "d.jpg"], seed=3)
    assert [torch.equal(*pair) for pair in zip(renamed, control, strict=True)] == [True, False, True, True]
    assert not torch.equal(random_control(images(), protected, NAMES, seed=4), control)
