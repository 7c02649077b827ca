"""How long a media file says that it is, to tell a whole file from one that breaks off."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["begins_like_mp4", "is_cut_short"]

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def is_cut_short(path: Path) -> bool:
    """True when a file of the MP4, AVI or Matroska family ends before its own outermost parts do.

    FFmpeg reads such a file up to the break and then reports a normal end. Formats without a declared length (MPEG-TS,
    live recordings) count as whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in MP4_FIRST_BOXES:
            return _end_of_boxes(file, size) > size
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return int(struct.unpack("<I", head[4:8])[0]) + 8 > size
        if head[:4] == EBML:
            return _end_of_segment(file) > size
    return False


def begins_like_mp4(path: Path) -> bool:
    """True when the first box is one with which MP4 and QuickTime files begin."""
    with path.open("rb") as file:
        return file.read(8)[4:] in MP4_FIRST_BOXES


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last outermost box of an ISO base media file ends (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length = int(struct.unpack(">I", head[:4])[0])
        if length == 1 and len(head) == 16:
            length = int(struct.unpack(">Q", head[8:])[0])
        elif length == 0:  # up to the end of the file
            return size
        if length < 8:
            break
        position += length
    return position


def _end_of_segment(file: BinaryIO) -> int:
    """Where the Matroska segment ends; 0 when it says "unknown", as a live recording does (RFC 8794, section 5)."""
    file.seek(4)
    header_length, _ = _variable_size(file)
    file.seek(header_length, 1)
    if file.read(4) != SEGMENT:
        return 0
    length, unknown = _variable_size(file)
    return 0 if unknown else file.tell() + length


def _variable_size(file: BinaryIO) -> tuple[int, bool]:
    """An EBML data size, and whether it is the value reserved for "unknown"."""
    first = (file.read(1) or b"\xff")[0]
    extra = 8 - first.bit_length()
    if extra > 7:
        return 0, True
    value = int.from_bytes(bytes([first & (0x7F >> extra)]) + file.read(extra), "big")
    return value, value == (1 << 7 * (extra + 1)) - 1
