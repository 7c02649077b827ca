"""Formats with a row or a line for every object or frame: JSON Lines, CSV, Parquet.

CSV and Parquet keep a frame without objects as one row with an empty label and box: ``table.dropna(subset=["x1"])``
leaves the objects. Numbers are rounded as in ``results.jsonl``: times to microseconds, confidences to 4 digits, boxes
to a hundredth of a pixel.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import SinkError, SourceError
from scenescope.pipelines.exchange.files import CHUNK_ROWS, EXPORT_EXTRA, Told, broken, cannot_write, new_file
from scenescope.pipelines.exchange.gather import Gathered, reading
from scenescope.pipelines.exchange.table import BoxTable

__all__ = [
    "COLUMNS",
    "check_can_write_parquet",
    "read_csv",
    "read_jsonl",
    "read_parquet",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]

COLUMNS = ("frame", "pts_s", "label", "confidence", "x1", "y1", "x2", "y2", "track_id")
META_KEY = b"scenescope"
LONGEST_LINE = 16_000_000

Images = Mapping[int, Path] | None


# JSON Lines ------------------------------------------------------------------------------------------------------


def write_jsonl(table: BoxTable, path: Path, images: Images, told: Told) -> None:
    """The same bytes as the sink ``JsonLines`` writes during a run."""
    names = [json.dumps(name, ensure_ascii=False) for name in table.class_names]
    with new_file(path) as file:
        for first, end in _chunks(table):
            told(first / max(len(table.frame_index), 1))
            bounds = np.searchsorted(table.row_frame, np.arange(first, end + 1))
            offset, rows = int(bounds[0]), slice(int(bounds[0]), int(bounds[-1]))
            objects = [
                f'{{"label":{names[c]},"confidence":{p!r},"xyxy":[{x1!r},{y1!r},{x2!r},{y2!r}],'
                f'"track_id":{t if t >= 0 else "null"}}}'
                for c, p, (x1, y1, x2, y2), t in zip(
                    table.class_id[rows].tolist(),
                    [round(p, 4) for p in table.confidence[rows].tolist()],
                    [[round(v, 2) for v in box] for box in table.xyxy[rows].tolist()],
                    table.track_id[rows].tolist(),
                    strict=True,
                )
            ]
            frames = zip(table.frame_index[first:end].tolist(), table.frame_pts_s[first:end].tolist(), strict=True)
            starts = (bounds - offset).tolist()
            file.writelines(
                f'{{"frame":{index},"pts_s":{round(pts_s, 6)!r},'
                f'"detections":[{",".join(objects[starts[i] : starts[i + 1]])}]}}\n'
                for i, (index, pts_s) in enumerate(frames)
            )


def _chunks(table: BoxTable) -> Iterator[tuple[int, int]]:
    """Ranges of frames that hold about ``CHUNK_ROWS`` objects."""
    count, first = len(table.frame_index), 0
    while first < count:
        row = int(np.searchsorted(table.row_frame, first)) + CHUNK_ROWS
        end = int(table.row_frame[row]) if row < len(table) else count
        end = min(max(end, first + 1), first + CHUNK_ROWS)
        yield first, end
        first = end


def read_jsonl(path: Path, rate_hz: float) -> BoxTable:
    """What ``results.jsonl`` says.

    Raises:
        SourceError: it is damaged, or other lines.
    """
    gathered = Gathered(path)
    with reading(path), path.open(encoding="utf-8-sig") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            try:
                entry = json.loads(line, parse_constant=_no_constant)
                index = _whole(entry["frame"])
                gathered.frame(index, float(entry["pts_s"]))
                for one in entry["detections"]:
                    track_id = one.get("track_id")
                    box = [float(value) for value in one["xyxy"]]
                    confidence = float(one.get("confidence", 1.0))
                    gathered.add(
                        index, str(one["label"]), box, confidence, None if track_id is None else _whole(track_id)
                    )
            except UnicodeDecodeError:
                raise
            except (ValueError, TypeError, KeyError, OverflowError, AttributeError, RecursionError) as error:
                raise broken(path, f"line {number} is not a frame of results") from error
    if not number:
        raise broken(path, "it is empty")
    return gathered.table(rate_hz=rate_hz)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or number != float(value) or abs(number) >= 2**53:
        raise ValueError(f"{value!r} is no whole number")
    return number


# CSV -------------------------------------------------------------------------------------------------------------


def write_csv(table: BoxTable, path: Path, images: Images, told: Told) -> None:
    """One row an object, and one for every frame without any."""
    names = [_csv_cell(name) for name in table.class_names]
    with new_file(path) as file:
        file.write(",".join(COLUMNS) + "\n")
        for columns in _row_chunks(table, told):
            file.writelines(
                f"{f},{s!r},{names[c]},{p!r},{x1!r},{y1!r},{x2!r},{y2!r},{t if t >= 0 else ''}\n"
                if c >= 0
                else f"{f},{s!r},,,,,,,\n"
                for f, s, c, p, x1, y1, x2, y2, t in zip(*(column.tolist() for column in columns), strict=True)
            )


def _csv_cell(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\r\n') else text


def _row_chunks(table: BoxTable, told: Told) -> Iterator[tuple[NDArray[Any], ...]]:
    """The columns of ``COLUMNS`` in pieces, frames in order; class number -1 for a frame without objects."""
    for first, end in _chunks(table):
        told(first / max(len(table.frame_index), 1))
        rows = slice(*np.searchsorted(table.row_frame, [first, end]).tolist())
        frame = table.row_frame[rows]
        empty = np.setdiff1d(np.arange(first, end), frame)
        position = np.concatenate([frame, empty])
        order = np.argsort(position, kind="stable")
        blank = np.full(len(empty), np.nan)
        numbers = (
            np.concatenate([column, blank])[order]
            for column in (np.round(table.confidence[rows], 4), *np.round(table.xyxy[rows], 2).T)
        )
        none = np.full(len(empty), -1, np.int64)
        position = position[order]
        yield (
            table.frame_index[position],
            np.round(table.frame_pts_s[position], 6),
            np.concatenate([table.class_id[rows], none])[order],
            *numbers,
            np.concatenate([table.track_id[rows], none])[order],
        )


def read_csv(path: Path, rate_hz: float) -> BoxTable:
    """A table with our column names, in any order; ``pts_s``, ``confidence`` and ``track_id`` may be missing.

    Raises:
        SourceError: it is damaged, or another table.
    """
    gathered = Gathered(path)
    with reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(_no_nul(file), strict=True)
        try:
            header = [name.strip().casefold() for name in next(lines, [])]
            missing = [name for name in ("frame", "label", "x1", "y1", "x2", "y2") if name not in header]
            if missing:
                raise broken(path, f"it has no column '{missing[0]}'", f"Columns are {', '.join(COLUMNS)}.")
            at = [header.index(name) if name in header else len(header) for name in COLUMNS]
            for row in lines:
                if not row:
                    continue
                if len(row) != len(header):
                    raise ValueError(f"{len(row)} values for {len(header)} columns")
                row.append("")
                _take_row(gathered, [row[i] for i in at])
        except UnicodeDecodeError:
            raise
        except (ValueError, OverflowError, csv.Error) as error:
            raise broken(path, f"line {lines.line_num}: {error}") from error
    return gathered.table(rate_hz=rate_hz)


def _no_nul(file: IO[str]) -> Iterator[str]:
    for line in file:
        if "\0" in line:
            raise ValueError("it is no text")
        yield line


def _take_row(gathered: Gathered, row: list[str]) -> None:
    frame, pts_s, label, confidence, x1, y1, x2, y2, track_id = row
    index = _whole(frame) if frame.isdecimal() else _whole(float(frame))
    gathered.frame(index, float(pts_s) if pts_s else None)
    if not (x1 or y1 or x2 or y2):
        return
    gathered.add(
        index,
        label,
        (float(x1), float(y1), float(x2), float(y2)),
        float(confidence) if confidence else 1.0,
        _whole(float(track_id)) if track_id else None,
    )


# Parquet ---------------------------------------------------------------------------------------------------------


def _pyarrow(error: type[SinkError] | type[SourceError], what: str) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as missing:
        raise error(f"{what} Parquet needs pyarrow, which is not installed.", hint=EXPORT_EXTRA) from missing
    return pyarrow


def check_can_write_parquet() -> None:
    """Say early what would be missing at the end of a long run.

    Raises:
        SinkError: pyarrow is not installed.
    """
    _pyarrow(SinkError, "Writing")


def write_parquet(table: BoxTable, path: Path, images: Images, told: Told) -> None:
    """The columns of the CSV with types; source, size, rate and class names are in the file's metadata.

    Raises:
        SinkError: it cannot be written, or pyarrow is not installed.
    """
    pa = _pyarrow(SinkError, "Writing")
    about = {
        "source": table.source,
        "size_wh": list(table.size_wh),
        "rate_hz": table.rate_hz,
        "class_names": list(table.class_names),
    }
    words = pa.dictionary(pa.int32(), pa.string())
    kinds = (pa.int64(), pa.float64(), words, *[pa.float64()] * 5, pa.int64())
    schema = pa.schema(
        [pa.field(name, kind) for name, kind in zip(COLUMNS, kinds, strict=True)],
        metadata={META_KEY: json.dumps(about, ensure_ascii=False, sort_keys=True).encode()},
    )
    names = pa.array(table.class_names or [""], pa.string())
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # An open file, since pyarrow takes no path that is not Unicode text.
        with part.open("wb") as file, pa.parquet.ParquetWriter(file, schema, compression="zstd") as out:
            for frame, pts_s, class_id, *numbers, track_id in _row_chunks(table, told):
                empty = class_id < 0
                labels = pa.DictionaryArray.from_arrays(pa.array(class_id.astype(np.int32), mask=empty), names)
                columns = [
                    pa.array(frame),
                    pa.array(pts_s),
                    labels,
                    *(pa.array(column, mask=empty) for column in numbers),
                    pa.array(track_id, mask=track_id < 0),
                ]
                out.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def read_parquet(path: Path, rate_hz: float) -> BoxTable:
    """A Parquet file with our column names.

    Raises:
        SourceError: it is damaged or another table, or pyarrow is not installed.
    """
    pa = _pyarrow(SourceError, "Reading")
    with reading(path):
        try:
            file = pa.parquet.ParquetFile(path)
            about = json.loads((file.schema_arrow.metadata or {}).get(META_KEY, b"{}"))
            present = set(file.schema_arrow.names)
            missing = [name for name in ("frame", "label", "x1", "y1", "x2", "y2") if name not in present]
            if missing:
                raise broken(path, f"it has no column '{missing[0]}'", f"Columns are {', '.join(COLUMNS)}.")
            names = [str(name) for name in about.get("class_names", ())]
            gathered = Gathered(path, names)
            chosen = [name for name in COLUMNS if name in present]
            for batch in file.iter_batches(CHUNK_ROWS, columns=chosen):
                columns = {name: batch.column(chosen.index(name)).to_pylist() for name in chosen}
                blank = [None] * batch.num_rows
                for row in zip(*(columns.get(name, blank) for name in COLUMNS), strict=True):
                    _take_typed(gathered, row)
            file.close()
        except (pa.ArrowException, json.JSONDecodeError) as error:
            raise broken(path, "it is not a whole Parquet file") from error
        width, height = about.get("size_wh", (0, 0))
        return gathered.table(
            str(about.get("source", "")), (int(width), int(height)), float(about.get("rate_hz") or rate_hz), len(names)
        )


def _take_typed(gathered: Gathered, row: tuple[Any, ...]) -> None:
    frame, pts_s, label, confidence, *box, track_id = row
    index = _whole(frame)
    gathered.frame(index, None if pts_s is None else float(pts_s))
    if all(value is None for value in box):
        return
    known = not (track_id is None or (isinstance(track_id, float) and math.isnan(track_id)))
    gathered.add(
        index,
        str(label),
        [float(value) for value in box],
        1.0 if confidence is None else float(confidence),
        _whole(track_id) if known else None,
    )
