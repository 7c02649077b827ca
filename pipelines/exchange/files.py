"""What the writers and readers of all formats share: whole files or none, names of pictures, times, limits."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import SinkError, SourceError
from scenescope.pipelines.exchange.table import BoxTable

__all__ = [
    "CHUNK_ROWS",
    "EXPORT_EXTRA",
    "Cleaned",
    "FrameTimes",
    "Told",
    "broken",
    "cannot_write",
    "chosen",
    "cleaned",
    "frame_numbers",
    "new_file",
    "new_folder",
    "picture_stems",
    "place_pictures",
    "read_frame_times",
    "read_text",
    "told_every",
    "write_frame_times",
]

EXPORT_EXTRA = 'pip install "scenescope[export]"'
FRAMES_FILE = "frames.csv"
FRAMES_COLUMNS = ["frame", "pts_s", "name", "width", "height"]
MAX_SMALL_FILE_BYTES = 64_000_000
CHUNK_ROWS = 50_000
TELL_EVERY_FRAMES = 256

Told = Callable[[float], None]
"""Told how far it has come, 0 to 1; may raise to end the work."""


# Writing ---------------------------------------------------------------------------------------------------------


def cannot_write(path: Path, error: OSError) -> SinkError:
    """The error for a disk that is full, gone or read-only."""
    return SinkError(
        f"Cannot write {path}: {error.strerror or error}.", hint="Choose another folder, or make room on the disk."
    )


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """A text file in UTF-8 that takes the place of ``path`` once it is whole; after a failure the old one is there.

    Raises:
        SinkError: it cannot be written there.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", errors="replace", newline="") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def new_folder(path: Path, parts: Sequence[str]) -> Iterator[Path]:
    """A folder to write into; its ``parts`` take the place of those in ``path`` once they are whole.

    What else lies in ``path`` stays as it is.

    Raises:
        SinkError: it cannot be written there.
    """
    made = path.with_name(path.name + ".part")
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        yield made
        path.mkdir(exist_ok=True)
        for name in parts:
            old, new = path / name, made / name
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
            if new.exists():
                new.replace(old)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def picture_stems(table: BoxTable) -> list[str]:
    """For every frame the name of its picture without ending: the user's own, or ``frame_000012``."""
    stems = [Path(name).stem for name in table.frame_name]
    usable = all(stem and re.fullmatch(r"[^/\\:*?\"<>|\x00-\x1f]{1,200}", stem) for stem in stems)
    if stems and usable and len({stem.casefold() for stem in stems}) == len(table.frame_index):
        return stems
    return [f"frame_{index:06d}" for index in table.frame_index.tolist()]


def place_pictures(images: Mapping[int, Path] | None, stems: Sequence[str], folder: Path) -> dict[int, str]:
    """Put the pictures into ``folder``, as links where the disk can; gives their names by position of the frame."""
    names: dict[int, str] = {}
    if images:
        folder.mkdir(parents=True, exist_ok=True)
    for position, source in (images or {}).items():
        names[position] = stems[position] + source.suffix.lower()
        target = folder / names[position]
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    return names


@dataclass(frozen=True)
class Cleaned:
    """A table that a format can hold, and how many objects were left out or cut for that."""

    table: BoxTable
    dropped: int = 0
    clipped: int = 0


def cleaned(table: BoxTable, *, area: bool, inside: bool) -> Cleaned:
    """The table with finite boxes only, names that are Unicode text, and times in whole microseconds.

    Without area they are left out if ``area``; ``inside`` cuts them to the picture, where its size is known.
    """
    xyxy, clipped = table.xyxy, 0
    keep = np.isfinite(xyxy).all(axis=1) & np.isfinite(table.confidence)
    sizes = table.sizes_wh
    if inside and len(xyxy) and (sizes > 0).all():
        most = np.tile(sizes[table.row_frame], 2).astype(np.float64)
        cut = np.clip(xyxy, 0.0, most)
        clipped = int((keep & (cut != xyxy).any(axis=1)).sum())
        xyxy = cut
    if area:
        keep &= (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    table = replace(
        table,
        source=_unicode(table.source),
        class_names=tuple(map(_unicode, table.class_names)),
        frame_name=tuple(map(_unicode, table.frame_name)),
        # As in results.jsonl: numpy rounds halves another way.
        frame_pts_s=np.array([round(pts_s, 6) for pts_s in table.frame_pts_s.tolist()]),
        xyxy=xyxy,
    )
    dropped = int((~keep).sum())
    return Cleaned(chosen(table, keep) if dropped else table, dropped, clipped)


def _unicode(name: str) -> str:
    """File names may hold bytes that are no text; Python keeps them as lone surrogates, which no format can hold."""
    return name.encode("utf-8", "replace").decode()


def chosen(table: BoxTable, rows: NDArray[Any]) -> BoxTable:
    """The table with some of its rows, by mask or by number; all frames stay."""
    return replace(
        table,
        row_frame=table.row_frame[rows],
        class_id=table.class_id[rows],
        confidence=table.confidence[rows],
        xyxy=table.xyxy[rows],
        track_id=table.track_id[rows],
    )


def write_frame_times(table: BoxTable, stems: Sequence[str], path: Path) -> None:
    """``frames.csv``: number, time, name and size of every picture, for formats that have no place for them."""
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(FRAMES_COLUMNS)
        rows = zip(
            table.frame_index.tolist(), table.frame_pts_s.tolist(), stems, *table.sizes_wh.T.tolist(), strict=True
        )
        out.writerows(rows)


def told_every(items: Iterable[Any], count: int, told: Told) -> Iterator[Any]:
    """The items, telling from time to time how many of ``count`` are through."""
    for number, item in enumerate(items):
        if number % TELL_EVERY_FRAMES == 0:
            told(number / max(count, 1))
        yield item


# Reading ---------------------------------------------------------------------------------------------------------


def broken(path: Path, why: str, hint: str = "Export it again from the tool that it comes from.") -> SourceError:
    """The error for a file that is not what it should be; ``why`` is the end of a sentence."""
    return SourceError(f"{path.name} cannot be read: {why}.", hint=hint, permanent=True)


def read_text(path: Path, most_bytes: int = MAX_SMALL_FILE_BYTES) -> str:
    """The text of a file.

    Raises:
        SourceError: it is not there, too large, or not UTF-8.
    """
    try:
        if path.stat().st_size > most_bytes:
            raise broken(path, f"it is larger than {most_bytes // 1_000_000} MB, which no such file is")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise broken(path, f"it is not UTF-8 text (byte {error.start})", "Save it as UTF-8.") from error
    except OSError as error:
        raise broken(path, error.strerror or str(error), "Check that the file is there and may be read.") from error


@dataclass(frozen=True)
class FrameTimes:
    """What ``frames.csv`` says, by name of the picture without its ending."""

    frame: dict[str, int]
    pts_s: dict[str, float]
    size_wh: dict[str, tuple[int, int]]


def read_frame_times(folder: Path) -> FrameTimes | None:
    """``frames.csv`` of a folder that Scenescope wrote; None when there is none.

    Raises:
        SourceError: it is damaged.
    """
    path = folder / FRAMES_FILE
    if not path.is_file():
        return None
    rows = list(csv.reader(read_text(path).splitlines()))
    if not rows or rows[0] != FRAMES_COLUMNS:
        return None
    times = FrameTimes({}, {}, {})
    for number, row in enumerate(rows[1:], 2):
        try:
            index, pts_s, name, width, height = row
            times.frame[name], times.pts_s[name] = int(index), float(pts_s)
            times.size_wh[name] = int(width), int(height)
            if not np.isfinite(times.pts_s[name]) or not 0 <= times.frame[name] < 2**53:
                raise ValueError
        except ValueError as error:
            raise broken(path, f"line {number} is not a frame") from error
    return times


def frame_numbers(stems: Sequence[str]) -> list[int]:
    """The number that each file name ends with; 0, 1, 2, ... where not all have one or two have the same."""
    found = [re.search(r"(\d{1,15})\D*$", stem) for stem in stems]
    numbers = [int(one[1]) for one in found if one]
    if len(set(numbers)) == len(stems):
        return numbers
    return list(range(len(stems)))
