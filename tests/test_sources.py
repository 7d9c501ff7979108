"""Face images on disk: CelebA's layout and one folder per identity, complete or damaged."""

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faces_on_disk import celeba, celeba_zip, folders, identities, people
from hypothesis import given, settings
from hypothesis import strategies as st

from pfgvm.errors import InputError
from pfgvm.faces.images import image_suffixes
from pfgvm.faces.sources import Source, open_source

FACES = people(3, 4)


def listed(source: Source) -> dict[str, list[str]]:
    """The images of `source` by person, in order."""
    return {person: sorted(images) for person, images in source.images_by_person().items()}


def names(faces: dict[str, dict[str, bytes]]) -> dict[str, list[str]]:
    return {person: sorted(images) for person, images in faces.items()}


def assert_refused(kind: str, root: Path, *words: str) -> None:
    """Opening and listing the faces under `root` fails with a message that contains `words`."""
    with pytest.raises(InputError) as refused:
        open_source(kind, root).images_by_person()
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_celebas_layout_gives_every_image_unchanged(tmp_path: Path, zipped: bool, newline: str):
    source = open_source("celeba", celeba(tmp_path, FACES, zipped=zipped, newline=newline))
    assert listed(source) == names(FACES)
    for images in FACES.values():
        for image, content in images.items():
            assert source.read(image) == content


def test_a_folder_is_taken_before_a_zip(tmp_path: Path):
    celeba(tmp_path, FACES)
    celeba_zip(tmp_path, {"img_align_celeba/000001.jpg": b"another"})
    assert open_source("celeba", tmp_path).read("000001.jpg") == FACES["10"]["000001.jpg"]


def test_a_zip_may_contain_more_than_the_listed_images(tmp_path: Path):
    root = celeba(tmp_path, FACES, zipped=True)
    with zipfile.ZipFile(root / "img_align_celeba.zip", "a") as archive:
        archive.writestr("img_align_celeba/999999.jpg", b"unlisted")
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"left by an archiver")
        archive.mkdir("other/000001.jpg")
    source = open_source("celeba", root)
    assert listed(source) == names(FACES)
    assert source.read("000001.jpg") == FACES["10"]["000001.jpg"]


def test_blank_lines_and_loose_spacing_are_no_fault(tmp_path: Path):
    celeba(tmp_path, FACES)
    identities(tmp_path, ["000001.jpg   10", "", "000005.jpg\t20 ", "", "  "])
    assert listed(open_source("celeba", tmp_path)) == {"10": ["000001.jpg"], "20": ["000005.jpg"]}


def test_a_list_without_a_last_newline_is_whole(tmp_path: Path):
    celeba(tmp_path, FACES)
    (tmp_path / "identity_CelebA.txt").write_bytes(b"000001.jpg 10\r\n000005.jpg 20")
    assert listed(open_source("celeba", tmp_path)) == {"10": ["000001.jpg"], "20": ["000005.jpg"]}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("000002.jpg", ["'000002.jpg'", "image person"]),
        ("000002.jpg 10 20", ["'000002.jpg 10 20'", "image person"]),
        ("000002.jpg ten", ["'000002.jpg ten'", "image person"]),
        ("000002.jpg -1", ["'000002.jpg -1'", "image person"]),
        ("000002.jpg,10", ["'000002.jpg,10'", "image person"]),
        ("000001.jpg 10", ["000001.jpg is listed twice"]),
        ("000001.jpg 20", ["000001.jpg is listed twice"]),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, words: list[str]):
    celeba(tmp_path, FACES)
    identities(tmp_path, ["000001.jpg 10", "", line, "000003.jpg 10"])
    assert_refused("celeba", tmp_path, "identity_CelebA.txt, line 3", *words)


@pytest.mark.parametrize("kind", ["celeba", "folder"])
def test_a_missing_root_is_named(tmp_path: Path, kind: str):
    assert_refused(kind, tmp_path / "nowhere", str(tmp_path / "nowhere"), "no such folder", "data.root")


@pytest.mark.parametrize("kind", ["celeba", "folder"])
def test_an_empty_root_is_named(tmp_path: Path, kind: str):
    assert_refused(kind, tmp_path, str(tmp_path), "empty", "data.root")


@pytest.mark.parametrize("kind", ["celeba", "folder"])
def test_a_file_as_root_is_named(tmp_path: Path, kind: str):
    (tmp_path / "faces.zip").write_bytes(b"")
    assert_refused(kind, tmp_path / "faces.zip", "faces.zip", "data.root")


def test_a_missing_list_of_identities_is_named(tmp_path: Path):
    celeba(tmp_path, FACES)
    (tmp_path / "identity_CelebA.txt").unlink()
    assert_refused("celeba", tmp_path, str(tmp_path), "identity_CelebA.txt")


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n", b"\xff\xfe\x00\x01"], ids=["empty", "blank", "binary"])
def test_a_list_of_nothing_is_refused(tmp_path: Path, content: bytes):
    celeba(tmp_path, FACES)
    (tmp_path / "identity_CelebA.txt").write_bytes(content)
    assert_refused("celeba", tmp_path, "identity_CelebA.txt", "list of identities")


def test_missing_images_are_named(tmp_path: Path):
    identities(tmp_path, ["000001.jpg 10"])
    assert_refused("celeba", tmp_path, str(tmp_path), "img_align_celeba/", "img_align_celeba.zip")


@pytest.mark.parametrize("link", [False, True], ids=["folder", "link to nothing"])
def test_what_is_no_file_in_an_images_place_is_refused(tmp_path: Path, link: bool):
    celeba(tmp_path, FACES)
    place = tmp_path / "img_align_celeba" / "000001.jpg"
    place.unlink()
    if link:
        place.symlink_to(tmp_path / "nothing.jpg")
    else:
        place.mkdir()
    with pytest.raises(InputError, match=r"000001\.jpg"):
        source = open_source("celeba", tmp_path)
        source.images_by_person()
        source.read("000001.jpg")


@pytest.mark.parametrize("damage", ["stored bytes", "encrypted"])
def test_a_damaged_member_is_refused_by_name(tmp_path: Path, damage: str):
    identities(tmp_path, ["1.jpg 10"])
    path = celeba_zip(tmp_path, {"1.jpg": b"an image " * 100})
    content = bytearray(path.read_bytes())
    if damage == "encrypted":
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
    else:
        content[30 + len("1.jpg")] ^= 1
    path.write_bytes(content)
    source = open_source("celeba", tmp_path)
    with pytest.raises(InputError, match=r"img_align_celeba\.zip: 1\.jpg .*download the zip again"):
        source.read("1.jpg")


ZIPPED = {f"img_align_celeba/{image}": content for image, content in FACES["10"].items()}


def zip_read_to_the_end(root: Path, content: bytes) -> dict[str, bytes]:
    """The images of identity 10 in the zip `content` under `root` that are listed and present."""
    (root / "img_align_celeba.zip").write_bytes(content)
    identities(root, [f"{image} 10" for image in FACES["10"]])
    source = open_source("celeba", root)
    return {image: source.read(image) for image in source.images_by_person()["10"]}


def test_names_in_a_zip_that_are_not_celebas_do_not_matter(tmp_path: Path):
    names = ["Zoë.jpg", "no suffix", "a" * 300 + ".jpg", " ", "line\nbreak.jpg", ".jpg", "x/"]
    paths = ["../x.jpg", "/etc/y.jpg", "img_align_celeba\\z.jpg"]
    celeba_zip(tmp_path, ZIPPED | dict.fromkeys(names + paths, b""))
    identities(tmp_path, [f"{image} 10" for image in FACES["10"]])
    assert listed(open_source("celeba", tmp_path)) == {"10": sorted(FACES["10"])}


@pytest.mark.parametrize("share", [0, 1 / 2, 0.99], ids=["empty", "half", "nearly whole"])
def test_a_truncated_zip_is_refused(tmp_path: Path, share: float):
    whole = celeba_zip(tmp_path, ZIPPED).read_bytes()
    with pytest.raises(InputError, match="download it again"):
        zip_read_to_the_end(tmp_path, whole[: int(share * len(whole))])


def test_what_is_no_zip_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"img_align_celeba\.zip: .*download it again"):
        zip_read_to_the_end(tmp_path, b"<html>quota exceeded</html>")


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_a_damaged_zip_is_refused_or_gives_what_was_put_in(data: st.DataObject):
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "img_align_celeba.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in ZIPPED.items():
                archive.writestr(name, content)
        damaged = bytearray(path.read_bytes())
        # Half of the damage goes to the directory, which is a tenth of the file.
        directory = damaged.index(b"PK\1\2")
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(damaged) - 1) | st.integers(directory, len(damaged) - 1))
            damaged[place] = data.draw(st.integers(0, 255))
        try:
            images = zip_read_to_the_end(Path(folder), bytes(damaged))
        except InputError:
            return
        assert images.items() <= FACES["10"].items()


def test_folders_give_every_image_unchanged(tmp_path: Path):
    source = open_source("folder", folders(tmp_path, FACES))
    assert listed(source) == {person: sorted(f"{person}/{image}" for image in FACES[person]) for person in FACES}
    assert source.read("10/000001.jpg") == FACES["10"]["000001.jpg"]


def test_folders_may_bear_any_name(tmp_path: Path):
    persons = [
        "Zoë",
        "李小龍",
        'O\'Brien, "Pat"',
        "001",
        "NA",
        " spaced ",
        "山田\u3000太郎",
        "می\u200cنا",
        "👩\u200d🎤",
    ]
    faces = people(persons, 2)
    source = open_source("folder", folders(tmp_path, faces))
    assert set(source.images_by_person()) == set(persons)
    assert source.read("李小龍/000003.jpg") == faces["李小龍"]["000003.jpg"]


@pytest.mark.parametrize(
    "file", ["Screenshot 2026-04-15 at 1.01.11\u202fAM.jpg", "Scherm\u00adafbeelding.jpg", "a\u00a0b.jpg", "\ue000.jpg"]
)
def test_files_may_bear_any_name(tmp_path: Path, file: str):
    source = open_source("folder", folders(tmp_path, {"ann": {file: b"an image"}}))
    assert source.images_by_person() == {"ann": [f"ann/{file}"]} and source.notes == []
    assert source.read(f"ann/{file}") == b"an image"


@pytest.mark.parametrize("character", ["\n", "\x85", "\u2028", "\u2029"])
def test_a_file_whose_name_would_break_a_table_is_skipped(tmp_path: Path, character: str):
    odd = f"{character}odd.jpg"
    source = open_source("folder", folders(tmp_path, {"ann": {"1.jpg": b"", odd: b""}}))
    assert source.images_by_person() == {"ann": ["ann/1.jpg"]}
    [note] = source.notes
    assert "control character" in note and repr(f"ann/{odd}") in note


def test_a_person_whose_name_would_break_a_table_is_refused(tmp_path: Path):
    folders(tmp_path, {"ann": {"1.jpg": b""}, "one\rtwo": {"1.jpg": b""}})
    assert_refused("folder", tmp_path, str(tmp_path), r"'one\rtwo'", "control character")


def test_other_files_than_images_are_skipped_and_noted(tmp_path: Path):
    images = ["1.JPG", "2.png", "3.webp", "4.bmp", "5.jpeg", "6.jfif", "7.TIF", "8.pgm", "9.gif"]
    folders(tmp_path, {"ann": dict.fromkeys(images, b"")})
    for name in [".hidden.jpg", "Thumbs.db", "jpg", "a.HEIC", "b.heic", "clip.mpg"]:
        (tmp_path / "ann" / name).write_bytes(b"")
    (tmp_path / "ann" / "folder.jpg").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "6.jpg").write_bytes(b"")
    (tmp_path / "loose.jpg").write_bytes(b"")
    source = open_source("folder", tmp_path)
    assert listed(source) == {"ann": [f"ann/{name}" for name in images]}
    passed_over = {
        ".db": "1 skipped, such as 'ann/Thumbs.db'",
        ".heic": "2 skipped, such as 'ann/a.HEIC'",
        ".mpg": "1 skipped, such as 'ann/clip.mpg'",
        "files outside": "1 skipped, such as 'loose.jpg'",
        "files without an extension": "1 skipped, such as 'ann/jpg'",
        "folders inside": "1 skipped, such as 'ann/folder.jpg'",
    }
    for note, (kind, words) in zip(sorted(source.notes), passed_over.items(), strict=True):
        assert note.startswith(kind) and note.endswith(words)
    source.images_by_person()
    assert len(source.notes) == len(passed_over)


def test_folders_of_what_pillow_does_not_read_are_refused_with_its_suffix(tmp_path: Path):
    folders(tmp_path, {person: {f"{row}.HEIC": b"" for row in range(7)} for person in ["ann", "bob"]})
    assert_refused("folder", tmp_path, str(tmp_path), ".heic files", "14 skipped", "'ann/0.HEIC'", ".jpg, .png")


@pytest.mark.parametrize("folder", ["train", "faces/aligned"])
def test_deeper_folders_are_named(tmp_path: Path, folder: str):
    folders(tmp_path / folder, {"ann": {"1.jpg": b""}, "bob": {"1.jpg": b""}})
    folders(tmp_path / "test", {"cid": {"1.png": b""}})
    folders(tmp_path / ".cache", {"dan": {"1.jpg": b""}})
    assert_refused("folder", tmp_path, "deeper", f"{tmp_path / folder}", f"{tmp_path / 'test'}", "data.root")


@pytest.mark.parametrize("name", ["loose.jpg", "ann/notes.txt", ".hidden/1.jpg", "ann/nested/1.jpg"])
def test_folders_without_images_are_refused(tmp_path: Path, name: str):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    assert_refused("folder", tmp_path, str(tmp_path), "one folder per identity")


def test_a_zip_with_one_image_twice_is_refused(tmp_path: Path):
    celeba_zip(tmp_path, {"img_align_celeba/000001.jpg": b"one", "other/000001.jpg": b"two"})
    identities(tmp_path, ["000001.jpg 1"])
    with pytest.raises(InputError, match=r"img_align_celeba\.zip: .*000001\.jpg twice"):
        open_source("celeba", tmp_path)


def test_a_tilde_is_said_not_to_be_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_refused("folder", Path("~/faces"), "no such folder", "~ is not expanded", f"{tmp_path}/faces")


@pytest.mark.parametrize("place", ["link", "deep/link", ".hidden/link"])
def test_a_link_to_nothing_is_named_before_dvc_meets_it(tmp_path: Path, place: str):
    folders(tmp_path, FACES)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / "nothing")
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path / place))}: .*link to nothing"):
        open_source("folder", tmp_path)


def test_links_that_lead_somewhere_are_followed(tmp_path: Path):
    folders(tmp_path / "elsewhere", {"ann": {"1.jpg": b"an image"}})
    (tmp_path / "faces" / "bob").mkdir(parents=True)
    (tmp_path / "faces" / "ann").symlink_to(tmp_path / "elsewhere" / "ann")
    (tmp_path / "faces" / "bob" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "ann" / "1.jpg")
    (tmp_path / "faces" / "bob" / "loop").symlink_to(tmp_path / "faces")
    source = open_source("folder", tmp_path / "faces")
    assert listed(source) == {"ann": ["ann/1.jpg"], "bob": ["bob/2.jpg"]}
    assert source.read("bob/2.jpg") == b"an image"


def test_a_name_that_is_not_utf8_is_named_before_dvc_meets_it(tmp_path: Path):
    folders(tmp_path, {"ann": {"1.jpg": b""}})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/ann/\xff.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path))}/ann: .*\\udcff\.jpg.* not UTF-8"):
        open_source("folder", tmp_path)


def in_one_more_folder(root: Path) -> None:
    (root / "img_align_celeba").rename(root / "inner")
    (root / "img_align_celeba").mkdir()
    (root / "inner").rename(root / "img_align_celeba" / "img_align_celeba")
    (root / "img_align_celeba" / ".DS_Store").write_bytes(b"")


def as_downloaded(root: Path) -> None:
    for folder, name in {"Anno": "identity_CelebA.txt", "Img": "img_align_celeba"}.items():
        (root / folder).mkdir()
        (root / name).rename(root / folder / name)


def behind_an_empty_folder(root: Path) -> None:
    celeba_zip(root, {f"img_align_celeba/{file.name}": file.read_bytes() for file in root.glob("*/*.jpg")})
    shutil.rmtree(root / "img_align_celeba")
    (root / "img_align_celeba").mkdir()


def with_a_mark_in_front_of_the_list(root: Path) -> None:
    path = root / "identity_CelebA.txt"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")


@pytest.mark.parametrize(
    "rearrange", [in_one_more_folder, as_downloaded, behind_an_empty_folder, with_a_mark_in_front_of_the_list]
)
def test_celebas_usual_layouts_are_read(tmp_path: Path, rearrange: Callable[[Path], None]):
    rearrange(celeba(tmp_path, FACES))
    source = open_source("celeba", tmp_path)
    assert listed(source) == names(FACES) and source.notes == []
    assert source.read("000001.jpg") == FACES["10"]["000001.jpg"]


@pytest.mark.parametrize("folder", ["img_align_celeba", "img_align_celeba_png"])
@pytest.mark.parametrize("suffix", [".png", ".JPG", ".webp"])
def test_celeba_in_another_format_goes_by_the_names_of_its_files(tmp_path: Path, suffix: str, folder: str):
    celeba(tmp_path, FACES)
    for image in (tmp_path / "img_align_celeba").iterdir():
        image.rename(image.with_suffix(suffix))
    (tmp_path / "img_align_celeba").rename(tmp_path / folder)
    (tmp_path / folder / "000001.txt").write_bytes(b"")
    source = open_source("celeba", tmp_path)
    assert listed(source)["10"] == [f"00000{number}{suffix}" for number in range(1, 5)]
    assert source.read(f"000001{suffix}") == FACES["10"]["000001.jpg"]


def test_a_listed_name_goes_before_one_in_another_format(tmp_path: Path):
    celeba(tmp_path, FACES)
    (tmp_path / "img_align_celeba" / "000001.png").write_bytes(b"another")
    assert listed(open_source("celeba", tmp_path)) == names(FACES)


def test_two_lines_for_one_file_are_refused(tmp_path: Path):
    celeba(tmp_path, FACES)
    identities(tmp_path, ["000001.png 10", "000001.jpg 10"])
    assert_refused("celeba", tmp_path, "line 2: 000001.jpg is listed twice")


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_the_present_part_of_celeba_is_used(tmp_path: Path, zipped: bool):
    identities(celeba(tmp_path, {"10": FACES["10"]}, zipped=zipped), [])
    identities(tmp_path, [f"{image} {person}" for person, images in FACES.items() for image in images])
    source = open_source("celeba", tmp_path)
    assert listed(source) == {"10": sorted(FACES["10"])}
    [note] = source.notes
    assert "contains 4 " in note and "other 8, such as 000005.jpg" in note


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_other_images_than_the_listed_are_refused(tmp_path: Path, zipped: bool):
    identities(celeba(tmp_path, FACES, zipped=zipped), ["900001.jpg 10", "900002.jpg 10"])
    assert_refused("celeba", tmp_path, "img_align_celeba", "12 files", "2 images", "900001.jpg")


def test_an_empty_folder_of_images_alone_is_named(tmp_path: Path):
    shutil.rmtree(celeba(tmp_path, FACES) / "img_align_celeba")
    (tmp_path / "img_align_celeba").mkdir()
    assert_refused("celeba", tmp_path, "img_align_celeba: contains no image")


def test_a_deeper_layout_is_named(tmp_path: Path):
    celeba(tmp_path / "celeba", FACES)
    assert_refused("celeba", tmp_path, str(tmp_path), f"set data.root to {tmp_path / 'celeba'}")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in which file permissions also apply to the superuser after a call of `lock`."""
    image_suffixes()  # loads Pillow's readers, which may be readable for the superuser alone
    user, folder = os.geteuid(), Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    os.seteuid(user)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700)
    shutil.rmtree(folder)


def lock(path: Path) -> None:
    path.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.parametrize("kind", ["celeba", "folder"])
def test_a_root_that_may_not_be_read_is_named(place: Path, kind: str):
    celeba(place / "faces", FACES)
    lock(place / "faces")
    assert_refused(kind, place / "faces", str(place / "faces"), "Permission denied")


@pytest.mark.parametrize("name", ["identity_CelebA.txt", "img_align_celeba", "img_align_celeba.zip"])
def test_what_may_not_be_read_of_celeba_is_named(place: Path, name: str):
    celeba(place / "faces", FACES, zipped=name.endswith(".zip"))
    lock(place / "faces" / name)
    assert_refused("celeba", place / "faces", name, "Permission denied")


def test_an_image_that_may_not_be_read_is_named(place: Path):
    folders(place, {"ann": {"1.jpg": b""}})
    lock(place / "ann" / "1.jpg")
    source = open_source("folder", place)
    with pytest.raises(InputError, match=r"ann/1\.jpg: .*Permission denied"):
        source.read(source.images_by_person()["ann"][0])


@pytest.mark.parametrize("kind", ["celeba", "folder"])
def test_a_folder_that_nobody_asked_for_need_not_be_readable(place: Path, kind: str):
    celeba(place, FACES) if kind == "celeba" else folders(place, FACES)
    (place / "lost+found").mkdir()
    lock(place / "lost+found")
    source = open_source(kind, place)
    assert set(source.images_by_person()) == set(FACES)
    assert [str(place / "lost+found") in note for note in source.notes] == ([True] if kind == "folder" else [])
