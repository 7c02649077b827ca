"""MOT Challenge: one line of text for every object (arXiv:1603.00831, section 4.2), frames counted from 1.

``gt/gt.txt`` has the tracks, ``gt/labels.txt`` the class names as CVAT writes them, ``det/det.txt`` the same boxes with
their confidences (in a ground truth that column says whether a line counts). Every object needs a number there: those
without a track get one of their own, from ``untracked_from`` in ``seqinfo.ini`` on. ``frames.csv`` keeps the times.
Corners are ours: they count from 0.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.exchange.files import (
    CHUNK_ROWS,
    Told,
    broken,
    new_folder,
    picture_stems,
    place_pictures,
    read_frame_times,
    read_text,
    write_frame_times,
)
from scenescope.pipelines.exchange.gather import Gathered, reading
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["numbered_tracks", "read_mot", "write_mot"]

SEQUENCE_FILE = "seqinfo.ini"
OWN_SECTION = "scenescope"
LONGEST_LINE = 4_000
MOST_FRAMES = 100_000_000
MOT17_CLASSES = (
    "pedestrian",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
)


def numbered_tracks(table: BoxTable) -> tuple[NDArray[np.int64], int]:
    """A track number for every object, and the first of those that were made up.

    Objects without a track, and those whose track is in the same frame twice, get a number that no other has.
    """
    ids = table.track_id.copy()
    order = np.lexsort((np.arange(len(ids)), ids, table.row_frame))
    again = np.zeros(len(ids), bool)
    same = (np.diff(table.row_frame[order]) == 0) & (np.diff(ids[order]) == 0)
    again[order[1:]] = same
    alone = again | (ids < 0)
    first = int(ids.max(initial=0)) + 1
    ids[alone] = np.arange(first, first + int(alone.sum()))
    return ids, first


def write_mot(table: BoxTable, path: Path, images: Mapping[int, Path] | None, told: Told) -> None:
    """``gt``, ``det``, ``seqinfo.ini``, ``frames.csv`` and, with pictures, ``img1``."""
    count = len(table.frame_index)
    numbers = [f"{at:06d}" for at in range(1, count + 1)]
    ids, untracked_from = numbered_tracks(table)
    names = [" ".join(name.split()) for name in table.class_names]
    with new_folder(path, ("gt", "det", "img1", SEQUENCE_FILE, "frames.csv")) as folder:
        place_pictures(images, numbers, folder / "img1")
        for name in ("gt", "det"):
            (folder / name).mkdir()
        with (
            (folder / "gt" / "gt.txt").open("w", encoding="utf-8", newline="") as truth,
            (folder / "det" / "det.txt").open("w", encoding="utf-8", newline="") as found,
        ):
            for first in range(0, len(table), CHUNK_ROWS):
                told(first / len(table))
                rows = slice(first, first + CHUNK_ROWS)
                corner = np.round(table.xyxy[rows, :2], 3)
                size = np.round(np.round(table.xyxy[rows, 2:], 3) - corner, 3)
                frames = (table.row_frame[rows] + 1).tolist()
                boxes = [f"{x!r},{y!r},{w!r},{h!r}" for x, y, w, h in np.hstack([corner, size]).tolist()]
                classes = (table.class_id[rows] + 1).tolist()
                truth.writelines(
                    f"{f},{i},{box},1,{c},1\n"
                    for f, i, box, c in zip(frames, ids[rows].tolist(), boxes, classes, strict=True)
                )
                found.writelines(
                    f"{f},-1,{box},{round(p, 6)!r},-1,-1,-1\n"
                    for f, box, p in zip(frames, boxes, table.confidence[rows].tolist(), strict=True)
                )
        (folder / "gt" / "labels.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8", newline="")
        width, height = table.size_wh
        (folder / SEQUENCE_FILE).write_text(
            f"[Sequence]\nname={' '.join(table.source.split())}\nimDir=img1\nframeRate={table.rate_hz!r}\n"
            f"seqLength={count}\nimWidth={width}\nimHeight={height}\nimExt=.jpg\n\n"
            f"[{OWN_SECTION}]\nuntracked_from={untracked_from}\nclass_names={json.dumps(table.class_names)}\n",
            encoding="utf-8",
            errors="replace",
            newline="",
        )
        stems = picture_stems(table) if table.frame_name else [""] * count
        write_frame_times(table, [f"{n}/{stem}" for n, stem in zip(numbers, stems, strict=True)], folder / "frames.csv")


def read_mot(path: Path, rate_hz: float) -> BoxTable:
    """A folder with ``gt/gt.txt``, or a text file of a tracker. Lines that a ground truth marks with 0 do not count.

    Raises:
        SourceError: it is damaged, or another folder.
    """
    root, file = _places(path)
    with reading(path):
        about, own = _sequence(root / SEQUENCE_FILE)
        names = _names(root, own)
        gathered = Gathered(path, names)
        times = read_frame_times(root)
        order = sorted(times.frame, key=lambda name: times.frame[name]) if times else []
        for name in order:
            assert times is not None
            gathered.frame(times.frame[name], times.pts_s[name], "", times.size_wh[name])
        numbers = [times.frame[name] for name in order] if times else []
        size_wh = int(about.get("imwidth", 0)), int(about.get("imheight", 0))
        length = int(about.get("seqlength", 0))
        if not 0 <= length <= MOST_FRAMES:
            raise broken(root / SEQUENCE_FILE, f"{length} is no number of frames")
        if not numbers:
            for at in range(length):
                gathered.frame(at, None, "", size_wh)
        untracked_from = int(own.get("untracked_from", 2**62))
        confidences = _confidences(root) if own else []
        ignored = 0
        is_truth = file.name == "gt.txt"
        for at, (frame, track, box, score, kind) in enumerate(_lines(file)):
            if is_truth and score == 0:
                ignored += 1
                continue
            if numbers and not 1 <= frame <= len(numbers):
                raise broken(file, f"it has frame {frame}, and {root.name} only {len(numbers)}")
            number = numbers[frame - 1] if numbers else frame - 1
            label = _label(kind, names)
            confidence = 1.0 if is_truth or not 0 <= score <= 1 else score
            if at < len(confidences):
                confidence = confidences[at]
            gathered.add(number, label, box, confidence, track if track < untracked_from else None)
        if confidences and len(confidences) != len(gathered) + ignored:
            raise broken(file, f"it has {len(gathered) + ignored:,} objects, and det.txt {len(confidences):,}")
        if ignored:
            gathered.notes.append(f"{ignored:,} objects that the file marks as not to be counted were left out.")
        rate = float(about.get("framerate", 0) or 0)
        return gathered.table(about.get("name", "") or root.name, size_wh, rate or rate_hz, len(set(names)))


def _places(path: Path) -> tuple[Path, Path]:
    if path.is_dir():
        for name in ("gt/gt.txt", "gt.txt", "det/det.txt"):
            if (path / name).is_file():
                return path, path / name
        raise broken(path, "it holds no gt/gt.txt")
    return (path.parent.parent if path.parent.name in ("gt", "det") else path.parent), path


def _sequence(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What ``seqinfo.ini`` says, by names in small letters: its own part, and ours."""
    if not file.is_file():
        return {}, {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_text(file, 16_000_000))
    except configparser.Error as error:
        raise broken(file, "it is no INI file") from error
    return tuple(dict(parser[name]) if parser.has_section(name) else {} for name in ("Sequence", OWN_SECTION))  # type: ignore[return-value]


def _names(root: Path, own: dict[str, str]) -> list[str]:
    if "class_names" in own:
        return [str(name) for name in json.loads(own["class_names"])]
    for file in (root / "gt" / "labels.txt", root / "labels.txt"):
        if file.is_file():
            return [line.strip() for line in read_text(file, 1_000_000).splitlines() if line.strip()]
    return []


def _label(kind: int, names: list[str]) -> str:
    known = names or MOT17_CLASSES
    if 1 <= kind <= len(known):
        return known[kind - 1]
    return "object" if kind < 1 else str(kind)


def _confidences(root: Path) -> list[float]:
    file = root / "det" / "det.txt"
    return [score for _, _, _, score, _ in _lines(file)] if file.is_file() else []


def _lines(file: Path) -> Iterator[tuple[int, int, tuple[float, float, float, float], float, int]]:
    """Frame, track, box as corners, the seventh column and the class of every line."""
    with file.open(encoding="utf-8-sig") as lines:
        number = columns = 0
        while line := lines.readline(LONGEST_LINE):
            number += 1
            values = line.replace(",", " ").replace(";", " ").split()
            if not values:
                continue
            try:
                numbers = [float(value) for value in values]
                frame, track = int(numbers[0]), int(numbers[1])
                columns = columns or len(numbers)
                if columns < 6 or len(numbers) != columns or not 1 <= frame <= MOST_FRAMES or abs(track) > 2**53:
                    raise ValueError
            except (ValueError, IndexError, OverflowError) as error:
                raise broken(file, f"line {number} is no line of the MOT format") from error
            x, y, w, h = numbers[2:6]
            score = numbers[6] if len(numbers) > 6 else 1.0
            # Lines with ten values are those of a tracker or detector: no class, but a place in the world.
            kind = int(numbers[7]) if 7 < len(numbers) < 10 and np.isfinite(numbers[7]) else -1
            yield frame, track, (x, y, x + w, y + h), score, kind
