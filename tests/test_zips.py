"""The reader of large zips against the standard library's, and against damage of every kind."""

import io
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfgvm.faces.zips import DamagedZip, Zip

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
FILES = {"faces/1.jpg": b"a picture" * 20, "faces/2.jpg": bytes(range(100)), "faces/3.jpg": b""}
ENTRY, END = b"PK\1\2", b"PK\5\6"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a zip can be written over and over."""
    return tmp_path_factory.mktemp("zips") / "faces.zip"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """A zip of `files` from the standard library."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def read(path: Path, content: bytes) -> dict[str, bytes]:
    """All members of the zip `content`, written to `path`, by the reader under test."""
    path.write_bytes(content)
    archive = Zip(path)
    return {name: archive.read(place) for name, place in archive.members()}


def read_by_zipfile(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# What zipfile itself cannot write as a name: nothing, what lies behind a zero byte, half a character.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.dictionaries(NAMES, st.binary(max_size=300), max_size=5),
    st.sampled_from(METHODS),
    st.binary(max_size=30).filter(lambda comment: END not in comment),
    # zipfile takes these bytes in front of an empty zip for a 64-bit zip's locator.
    st.binary(max_size=30).filter(lambda prefix: b"PK\6\7" not in prefix),
)
@settings(deadline=None)
def test_whatever_zipfile_writes_is_read_alike(place: Path, files: dict, method: int, comment: bytes, prefix: bytes):
    content = prefix + zipped(files, method, comment)
    assert read(place, content) == read_by_zipfile(content) == files


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("prefix", [b"", b"before the zip"], ids=["alone", "behind other bytes"])
@pytest.mark.parametrize("limit", ["ZIP_FILECOUNT_LIMIT", "ZIP64_LIMIT"])
def test_zip64_is_read_alike(place: Path, monkeypatch: pytest.MonkeyPatch, limit: str, prefix: bytes, method: int):
    # Beyond its limits zipfile writes 64-bit fields: in the end record alone, or also wherever a number is above 50.
    monkeypatch.setattr(zipfile, limit, {"ZIP_FILECOUNT_LIMIT": 2, "ZIP64_LIMIT": 50}[limit])
    content = prefix + zipped(FILES, method, comment=b"a comment")
    assert b"PK\6\6" in content and b"PK\6\7" in content
    assert read(place, content) == read_by_zipfile(content) == FILES


def test_places_beyond_4_gib_are_read(place: Path):
    with place.open("wb") as file:
        file.seek(5 * 2**30)  # a hole, which costs no disk
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("1.jpg", b"a picture")
    archive = Zip(place)
    [(name, number)] = archive.members()
    assert (name, archive.read(number)) == ("1.jpg", b"a picture")


def test_names_are_in_the_old_alphabet_without_the_flag(place: Path):
    content = zipped({"Zo$.jpg": b"a picture"}).replace(b"Zo$", b"Zo\x89")
    assert read(place, content) == read_by_zipfile(content) == {"Zoë.jpg": b"a picture"}


def test_a_name_that_breaks_its_flags_word_is_refused(place: Path):
    content = zipped({"Zoë.jpg": b"a picture"}).replace("ë".encode(), b"\xff\xff")
    with pytest.raises(DamagedZip, match="not UTF-8"):
        read(place, content)


def test_a_number_that_looks_like_the_end_is_none(place: Path):
    # An end record whose directory begins at byte 0x06054B50.
    with place.open("wb") as file:
        file.seek(struct.unpack("<I", END)[0])
        file.write(zipped({})[:-6] + END + bytes(2))
    assert list(Zip(place).members()) == []


def whole_zips() -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        plain = {f"method {method}": zipped(FILES, method) for method in METHODS}
        patch.setattr(zipfile, "ZIP64_LIMIT", 50)
        return plain | {f"ZIP64, method {method}": zipped(FILES, method) for method in METHODS}


WHOLE = whole_zips()


def is_refused(path: Path, content: bytes) -> bool:
    """Whether a part of the zip `content` is refused; fails where anything but what was put in is read."""
    path.write_bytes(content)
    refused = False
    try:
        archive = Zip(path)
        members = list(archive.members())
    except DamagedZip:
        return True
    for name, place in members:
        try:
            assert archive.read(place) == FILES[name]
        except DamagedZip:
            refused = True
    return refused


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_every_truncation_is_refused(place: Path, whole: bytes):
    for length in range(len(whole)):
        with pytest.raises(DamagedZip):
            read(place, whole[:length])


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_every_changed_byte_is_refused_or_does_not_matter(place: Path, whole: bytes, mask: int):
    refused = [is_refused(place, whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :]) for at in range(len(whole))]
    for part in [*FILES, *filter(None, FILES.values()), b"PK\3\4", ENTRY, END]:
        part = part.encode() if isinstance(part, str) else part
        for found in re.finditer(re.escape(part), whole):
            assert all(refused[slice(*found.span())]), part


@given(st.sampled_from(list(WHOLE.values())), st.data())
@settings(deadline=None, max_examples=300)
def test_much_damage_is_refused_or_does_not_matter(place: Path, whole: bytes, data: st.DataObject):
    content = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
        piece = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + data.draw(st.integers(0, 8))] = piece
    is_refused(place, bytes(content))


def peak_of_refusing(path: Path, content: bytes) -> int:
    """Bytes of memory that it takes to refuse the one member of the zip `content`."""
    path.write_bytes(content)
    archive = Zip(path)
    [(_, place)] = archive.members()
    tracemalloc.start()
    try:
        with pytest.raises(DamagedZip):
            archive.read(place)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", [20, 24], ids=["packed length", "length"])
@pytest.mark.parametrize("method", METHODS)
def test_a_claimed_length_claims_no_memory(place: Path, method: int, field: int):
    content = bytearray(zipped({"1.jpg": b"a picture"}, method))
    struct.pack_into("<I", content, content.index(ENTRY) + field, 2**32 - 2)
    assert peak_of_refusing(place, content) < 100_000


def test_what_inflates_beyond_its_length_claims_no_memory(place: Path):
    content = bytearray(zipped({"1.jpg": bytes(20_000_000)}, zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", content, content.index(ENTRY) + 24, 10)
    assert peak_of_refusing(place, content) < 200_000
