"""Faces as they lie on disk: CelebA's layout and one folder a person, whole or damaged."""

import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from faces_on_disk import celeba, celeba_zip, folders, identities, people
from hypothesis import given
from hypothesis import strategies as st

from pfgvm.errors import InputError
from pfgvm.faces.sources import Source, open_source

FACES = people(3, 4)


def listed(source: Source) -> dict[str, list[str]]:
    """The people of `source`, their images in order."""
    return {person: sorted(images) for person, images in source.images_by_person().items()}


def names(faces: dict[str, dict[str, bytes]]) -> dict[str, list[str]]:
    return {person: sorted(images) for person, images in faces.items()}


def assert_refused(kind: str, root: Path, *words: str) -> None:
    """Opening and listing the faces under `root` fails with a message that holds `words`."""
    with pytest.raises(InputError) as refused:
        open_source(kind, root).images_by_person()
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("kind", ["celeba", "synthetic"])
def test_celebas_layout_gives_every_image_as_it_lies(tmp_path: Path, kind: str, zipped: bool, newline: str):
    source = open_source(kind, celeba(tmp_path, FACES, zipped=zipped, newline=newline))
    assert listed(source) == names(FACES)
    for images in FACES.values():
        for image, content in images.items():
            assert source.read(image) == content


def test_a_folder_is_taken_before_a_zip(tmp_path: Path):
    celeba(tmp_path, FACES)
    celeba_zip(tmp_path, {"img_align_celeba/000001.jpg": b"another"})
    assert open_source("celeba", tmp_path).read("000001.jpg") == FACES["10"]["000001.jpg"]


def test_a_zip_may_hold_more_than_the_listed_images(tmp_path: Path):
    root = celeba(tmp_path, FACES, zipped=True)
    with zipfile.ZipFile(root / "img_align_celeba.zip", "a") as archive:
        archive.writestr("img_align_celeba/999999.jpg", b"unlisted")
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"left by an archiver")
        archive.mkdir("other/000001.jpg")
    source = open_source("celeba", root)
    assert listed(source) == names(FACES)
    assert source.read("000001.jpg") == FACES["10"]["000001.jpg"]


def test_a_compressed_zip_reads_alike(tmp_path: Path):
    root = celeba(tmp_path, FACES)
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for image in (root / "img_align_celeba").iterdir():
            archive.write(image, f"img_align_celeba/{image.name}")
            image.unlink()
    (root / "img_align_celeba").rmdir()
    assert open_source("celeba", root).read("000002.jpg") == FACES["10"]["000002.jpg"]


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
        ("999999.jpg 10", ["999999.jpg", "img_align_celeba", "add the image or remove the line"]),
        ("000001.jpg 10", ["000001.jpg is listed twice"]),
        ("000001.jpg 20", ["000001.jpg is listed twice"]),
    ],
)
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, zipped: bool, line: str, words: list[str]):
    celeba(tmp_path, FACES, zipped=zipped)
    identities(tmp_path, ["000001.jpg 10", "", line, "000003.jpg 10"])
    assert_refused("celeba", tmp_path, "identity_CelebA.txt, line 3", *words)


@pytest.mark.parametrize("kind", ["synthetic", "celeba", "folder"])
def test_a_missing_root_is_named(tmp_path: Path, kind: str):
    assert_refused(kind, tmp_path / "nowhere", str(tmp_path / "nowhere"), "no such folder", "data.root")


@pytest.mark.parametrize("kind", ["synthetic", "celeba", "folder"])
def test_an_empty_root_is_named(tmp_path: Path, kind: str):
    assert_refused(kind, tmp_path, str(tmp_path), "empty", "data.root")


@pytest.mark.parametrize("kind", ["synthetic", "celeba", "folder"])
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


def test_missing_pictures_are_named(tmp_path: Path):
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


def test_what_is_no_zip_is_refused(tmp_path: Path):
    identities(tmp_path, ["000001.jpg 10"])
    (tmp_path / "img_align_celeba.zip").write_bytes(b"<html>quota exceeded</html>")
    assert_refused("celeba", tmp_path, "img_align_celeba.zip", "download it again")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_zip_is_refused(tmp_path: Path, kept: float):
    celeba(tmp_path, FACES, zipped=True)
    archive = tmp_path / "img_align_celeba.zip"
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    assert_refused("celeba", tmp_path, "img_align_celeba.zip", "download it again")


@pytest.mark.parametrize("name", ["../x.jpg", "img_align_celeba/../../x.jpg", "/etc/x.jpg", "img_align_celeba\\x.jpg"])
def test_a_zip_of_unsafe_paths_is_refused(tmp_path: Path, name: str):
    identities(tmp_path, ["x.jpg 10"])
    celeba_zip(tmp_path, {name: FACES["10"]["000001.jpg"]})
    assert_refused("celeba", tmp_path, "img_align_celeba.zip", "unsafe path", repr(name))


@given(st.text("a./\\", min_size=1, max_size=8))
def test_paths_are_told_apart_as_pathlib_does(name: str):
    path = PurePosixPath(name)
    unsafe = path.is_absolute() or ".." in path.parts or "\\" in name
    with tempfile.TemporaryDirectory() as folder:
        identities(Path(folder), ["x.jpg 10"])
        celeba_zip(Path(folder), {name: b""})
        if unsafe:
            assert_refused("celeba", Path(folder), "unsafe path", repr(name))
        else:
            assert_refused("celeba", Path(folder), "line 1: x.jpg is not in")


def test_a_zip_of_a_name_with_a_zero_byte_is_refused(tmp_path: Path):
    identities(tmp_path, ["x.jpg 10"])
    path = celeba_zip(tmp_path, {"img_align_celeba/x.jpg$": FACES["10"]["000001.jpg"]})
    path.write_bytes(path.read_bytes().replace(b"x.jpg$", b"x.jpg\0"))
    assert_refused("celeba", tmp_path, "unsafe path", repr("img_align_celeba/x.jpg\0"))


@pytest.mark.parametrize("damage", ["stored bytes", "deflated bytes", "header", "encrypted", "unknown compression"])
def test_a_damaged_member_is_refused_by_name(tmp_path: Path, damage: str):
    identities(tmp_path, ["1.jpg 10"])
    path, method = tmp_path / "img_align_celeba.zip", zipfile.ZIP_STORED
    if damage == "deflated bytes":
        method = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("1.jpg", b"a picture " * 100)
        data = archive.infolist()[0].header_offset + 30 + len("1.jpg")
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    match damage:
        case "stored bytes" | "deflated bytes":
            content[data : data + 8] = b"\xff" * 8
        case "header":
            content[0:4] = b"XXXX"
        case "encrypted":
            content[6] |= 1
            content[entry + 8] |= 1
        case "unknown compression":
            content[8] = content[entry + 10] = 99
    path.write_bytes(content)
    source = open_source("celeba", tmp_path)
    with pytest.raises(InputError) as refused:
        source.read("1.jpg")
    for word in ["img_align_celeba.zip", "1.jpg", "download the zip again"]:
        assert word in str(refused.value)


def test_folders_give_every_image_as_it_lies(tmp_path: Path):
    source = open_source("folder", folders(tmp_path, FACES))
    assert listed(source) == {person: sorted(f"{person}/{image}" for image in FACES[person]) for person in FACES}
    assert source.read("10/000001.jpg") == FACES["10"]["000001.jpg"]


def test_folders_may_bear_any_name(tmp_path: Path):
    persons = ["Zoë", "李小龍", 'O\'Brien, "Pat"', "001", "NA", " spaced "]
    faces = people(persons, 2)
    source = open_source("folder", folders(tmp_path, faces))
    assert set(source.images_by_person()) == set(persons)
    assert source.read("李小龍/000003.jpg") == faces["李小龍"]["000003.jpg"]


def test_what_is_no_picture_is_left_aside(tmp_path: Path):
    folders(tmp_path, {"ann": {"1.JPG": b"", "2.png": b"", "3.webp": b"", "4.bmp": b"", "5.jpeg": b""}})
    for name in [".hidden.jpg", "notes.txt", "Thumbs.db", "jpg"]:
        (tmp_path / "ann" / name).write_bytes(b"")
    (tmp_path / "ann" / "folder.jpg").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "6.jpg").write_bytes(b"")
    (tmp_path / "loose.jpg").write_bytes(b"")
    images = [f"ann/{name}" for name in ["1.JPG", "2.png", "3.webp", "4.bmp", "5.jpeg"]]
    assert listed(open_source("folder", tmp_path)) == {"ann": images}


@pytest.mark.parametrize("name", ["loose.jpg", "ann/notes.txt", ".hidden/1.jpg", "ann/nested/1.jpg"])
def test_folders_without_pictures_are_refused(tmp_path: Path, name: str):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    assert_refused("folder", tmp_path, str(tmp_path), "one folder a person")


def test_a_zip_with_one_image_twice_is_refused(tmp_path: Path):
    celeba_zip(tmp_path, {"img_align_celeba/000001.jpg": b"one", "other/000001.jpg": b"two"})
    identities(tmp_path, ["000001.jpg 1"])
    with pytest.raises(InputError, match=r"img_align_celeba\.zip: holds 000001\.jpg twice"):
        open_source("celeba", tmp_path)


def test_a_name_that_is_no_plain_text_is_refused(tmp_path: Path):
    folder = tmp_path / "one\rtwo"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="no plain text; rename"):
        open_source("folder", tmp_path).images_by_person()
