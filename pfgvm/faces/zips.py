"""A zip of very many files, read in place: the list of its members, and one member at a time.

The standard library's zipfile makes an object of twenty fields a member: of the 202,599 in CelebA's zip that is
more than a second and 140 MB before the first face is read. Here a member is its name and one number.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

# As in PKWARE's APPNOTE.TXT; x passes over what is of no use here.
_END = struct.Struct("<4s8xII2x")  # signature; length and place of the directory
_END64 = struct.Struct("<4s36xQQ4s16x")  # the same in 64 bits, then the locator: both lie in front of the end record
_ENTRY = struct.Struct("<4s4xHH4xIIIHHH8xI")  # of the directory: flags, method, CRC, sizes, lengths, place
_LISTED = struct.Struct("<4s4xH18xHHH12x")  # of the same: flags, lengths
_HEADER = struct.Struct("<4s22xHH")  # of a member: lengths of its name and its extra field
_ENCRYPTED, _UTF8 = 1 << 0, 1 << 11
_STORED, _DEFLATED = 0, 8
_LONGEST_COMMENT = 0xFFFF
_SEE_EXTRA = 0xFFFFFFFF  # in place of a number that does not fit into 32 bits


class DamagedZip(Exception):
    """The zip is not whole, or is of a kind that is not read here; the message says how."""


class Zip:
    """The zip at `path`, its members stored or deflated; ZIP64, and bytes in front of it, are no fault.

    Raises DamagedZip for a file without a zip's end, OSError where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._size = os.fstat(self._file.fileno()).st_size
        begin = max(self._size - _END.size - _LONGEST_COMMENT, 0)
        # Not within the last 18 bytes: a record there would not be whole.
        at = self._bytes(begin, self._size - begin).rfind(b"PK\5\6", 0, max(self._size - begin - 18, 0))
        if at < 0:
            raise DamagedZip("it has no end record")
        self._end = begin + at
        _, length, place = _END.unpack(self._bytes(self._end, _END.size))
        if self._end >= _END64.size:
            signature, length64, place64, locator = _END64.unpack(self._bytes(self._end - _END64.size, _END64.size))
            if (signature, locator) == (b"PK\6\6", b"PK\6\7"):
                self._end, length, place = self._end - _END64.size, length64, place64
        self._begin = self._end - length
        # A zip counts from its own first byte, which need not be the file's.
        self._shift = self._begin - place
        if self._shift < 0:
            raise DamagedZip("its directory is not where its end record says")

    def members(self) -> Iterator[tuple[str, int]]:
        """The name of each member (folders end in /), and the place by which `read` knows it.

        Raises DamagedZip where the directory is not whole.
        """
        place = self._begin
        self._file.seek(place)
        while place < self._end:
            entry = self._file.read(_LISTED.size)
            if entry[:4] != b"PK\1\2" or len(entry) < _LISTED.size:
                raise DamagedZip(f"its directory is damaged at byte {place}")
            _, flags, name_length, extra_length, comment_length = _LISTED.unpack(entry)
            length = name_length + extra_length + comment_length
            name = self._file.read(length)[:name_length]
            try:
                # ASCII is the same in both, and eight times slower to decode from the second.
                yield name.decode("utf-8" if flags & _UTF8 or name.isascii() else "cp437"), place
            except UnicodeDecodeError:
                raise DamagedZip(f"the name {name!r} is not UTF-8") from None
            place += _LISTED.size + length

    def read(self, place: int) -> bytes:
        """The file of the member at `place`, checked against its length and CRC-32.

        Raises DamagedZip where it is not whole, is encrypted or is compressed in another way; OSError from the disk.
        """
        entry = _ENTRY.unpack(self._bytes(place, _ENTRY.size))
        _, flags, method, crc, packed, length, name_length, extra_length, _, offset = entry
        if flags & _ENCRYPTED:
            raise DamagedZip("it is encrypted")
        if method not in (_STORED, _DEFLATED):
            raise DamagedZip(f"its compression method {method} is not known")
        name = self._bytes(place + _ENTRY.size, name_length)
        extra = self._bytes(place + _ENTRY.size + name_length, extra_length)
        length, packed, offset = _in_64_bits(extra, length, packed, offset)
        begin = self._shift + offset
        signature, name_length, extra_length = _HEADER.unpack(self._bytes(begin, _HEADER.size))
        begin += _HEADER.size
        if signature != b"PK\3\4" or self._bytes(begin, name_length) != name:
            raise DamagedZip("its header is damaged")
        content = self._bytes(begin + name_length + extra_length, packed)
        if method == _DEFLATED:
            content = _inflated(content, length)
        if len(content) != length or zlib.crc32(content) != crc:
            raise DamagedZip("its length or checksum is wrong")
        return content

    def _bytes(self, place: int, length: int) -> bytes:
        # The file's size comes first: a damaged length must not claim memory.
        content = os.pread(self._file.fileno(), length, place) if place + length <= self._size else b""
        if len(content) < length:
            raise DamagedZip("it ends too early")
        return content


def _in_64_bits(extra: bytes, *numbers: int) -> list[int]:
    # Field 1 of `extra` holds, in this order, those of `numbers` that need 64 bits.
    while len(extra) >= 4 and _SEE_EXTRA in numbers:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 1:
            wide = (number for (number,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8]))
            return [next(wide, number) if number == _SEE_EXTRA else number for number in numbers]
    return list(numbers)


def _inflated(packed: bytes, length: int) -> bytes:
    # One byte more than `length` shows that it is wrong; no deflated byte gives more than 1032, whatever it says.
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, min(length, 1032 * len(packed)) + 1)
    except zlib.error as error:
        raise DamagedZip(str(error)) from None
