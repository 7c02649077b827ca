"""results.jsonl: one line of JSON for every frame, with what was found in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

from scenescope.models import Detections, ResultBatch, SinkError, Tracks
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

__all__ = ["FoundObject", "JsonLines", "found_in", "found_objects", "result_line"]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object found in one frame.

    ``xyxy`` is left, top, right, bottom in pixels of the source picture; ``track_id`` is None while the object is not
    tracked or its track not confirmed; ``result`` names the stage that reported it.
    """

    result: str
    label: str
    confidence: float
    xyxy: tuple[float, float, float, float]
    track_id: int | None


def found_objects(frame: Frame) -> Iterator[FoundObject]:
    """Every object found in this very picture, in the order of the pipeline.

    Where a tracker has followed a detector, its rows stand for the detector's. What a slow stage found in an earlier
    picture is not repeated.
    """
    yield from found_in(
        [(name, entry.value) for name, entry in frame.in_source_pixels() if entry.stamp.index == frame.index]
    )


def found_in(results: Sequence[tuple[str, ResultBatch]]) -> Iterator[FoundObject]:
    """Every object among the results of one picture, which are in pixels of the source; see :func:`found_objects`."""
    followed = {value.follows for _, value in results if isinstance(value, Tracks)}
    for name, value in results:
        if name in followed or not isinstance(value, Detections):
            continue
        track_ids = value.track_id.tolist() if isinstance(value, Tracks) else [-1] * len(value)
        for label, confidence, (x1, y1, x2, y2), track_id in zip(
            value.labels, value.confidence.tolist(), value.xyxy.tolist(), track_ids, strict=True
        ):
            yield FoundObject(name, label, confidence, (x1, y1, x2, y2), track_id if track_id >= 0 else None)


def result_line(frame: Frame) -> bytes:
    """A frame's line of :class:`JsonLines`, with its end."""
    line = {
        "frame": frame.index,
        "pts_s": round(frame.pts_s, 6),
        "detections": [
            {
                "label": found.label,
                "confidence": round(found.confidence, 4),
                "xyxy": [round(value, 2) for value in found.xyxy],
                "track_id": found.track_id,
            }
            for found in found_objects(frame)
        ],
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class JsonLines(Sink):
    """Writes what was found, one line of JSON a frame, in UTF-8.

    ``{"frame":0,"pts_s":0.0,"detections":[{"label":"car","confidence":0.59,"xyxy":[1.0,2.0,3.0,4.0],"track_id":3}]}``

    ``frame`` and ``pts_s`` are the source's own; ``xyxy`` is in pixels of the source picture. Numbers are rounded:
    times to microseconds, confidences to 4 digits, boxes to a hundredth of a pixel. Equal results give equal bytes.
    Every line is handed to the system as it is written: a process that is killed leaves whole lines.

    Args:
        path: the file; one that is there is replaced when the source opens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._file: BufferedWriter | None = None

    def open(self, info: SourceInfo) -> None:
        """Begin the file.

        Raises:
            SinkError: it cannot be written there.
        """
        self.lines = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as error:
            raise self._error(error) from error

    def prepare(self, frame: Frame) -> bytes:
        """The frame's line."""
        return result_line(frame)

    def write(self, prepared: Any) -> None:
        """Append a line.

        Raises:
            SinkError: the disk is full or gone.
        """
        assert self._file is not None
        try:
            self._file.write(prepared)
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error
        self.lines += 1

    def close(self) -> None:
        """End the file."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> SinkError:
        return SinkError(
            f"Cannot write {self.path}: {error.strerror or error}.",
            hint="Choose another folder, or make room on the disk.",
        )
