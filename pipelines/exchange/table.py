"""BoxTable: all objects found in a source, as parallel arrays; what exporters take and importers give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sinks.jsonl import FoundObject, found_objects

__all__ = ["BoxTable", "BoxTableBuilder"]


@dataclass(frozen=True, eq=False)
class BoxTable:
    """Frames, and the objects found in them.

    Attributes:
        source: name of the video or folder, without its path.
        size_wh: of the source's pictures, in pixels.
        rate_hz: frames a second; 0 when unknown.
        frame_index: int64 (M,), of every frame that was looked at, ascending, also those without objects.
        frame_pts_s: float64 (M,), their presentation times.
        frame_name: (M,) file names of the pictures; empty for a video.
        row_frame: int64 (N,), for every object its frame, as a position in ``frame_index``; ascending.
        class_id: int64 (N,), an index into ``class_names``.
        confidence: float64 (N,), 0..1; 1 in a ground truth.
        xyxy: float64 (N, 4), left, top, right, bottom in pixels of the source picture.
        track_id: int64 (N,), -1 for none.
    """

    source: str
    size_wh: tuple[int, int]
    rate_hz: float
    frame_index: NDArray[np.int64]
    frame_pts_s: NDArray[np.float64]
    row_frame: NDArray[np.int64]
    class_id: NDArray[np.int64]
    class_names: tuple[str, ...]
    confidence: NDArray[np.float64]
    xyxy: NDArray[np.float64]
    track_id: NDArray[np.int64]
    frame_name: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("row_frame", "class_id", "track_id", "frame_index"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.int64).reshape(-1))
        for name in ("confidence", "frame_pts_s"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64).reshape(-1))
        object.__setattr__(self, "xyxy", np.asarray(self.xyxy, np.float64).reshape(-1, 4))
        lengths = {len(self.row_frame), len(self.class_id), len(self.confidence), len(self.xyxy), len(self.track_id)}
        if len(lengths) > 1 or len(self.frame_index) != len(self.frame_pts_s):
            raise ValueError(f"BoxTable: columns differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.row_frame)

    @property
    def labels(self) -> list[str]:
        """The class name of every object."""
        return [self.class_names[i] for i in self.class_id.tolist()]

    def rows_of(self, position: int) -> slice:
        """The rows of the frame at ``position`` of ``frame_index``."""
        first, end = np.searchsorted(self.row_frame, [position, position + 1])
        return slice(int(first), int(end))


class BoxTableBuilder:
    """Gathers a :class:`BoxTable` frame by frame.

    Class names are numbered in alphabetical order, so that equal results give equal files.
    """

    def __init__(self, source: str, size_wh: tuple[int, int], rate_hz: float) -> None:
        self._about = (source, size_wh, rate_hz)
        self._frames: list[tuple[int, float]] = []
        self._names: list[str] = []
        self._rows: list[tuple[int, FoundObject]] = []

    def add(self, frame: Frame, name: str = "") -> None:
        """Take the objects that were found in this very frame."""
        self.add_found(frame.index, frame.pts_s, list(found_objects(frame)), name)

    def add_found(self, index: int, pts_s: float, found: Sequence[FoundObject], name: str = "") -> None:
        """Take a frame's objects; frames come in order."""
        position = len(self._frames)
        self._frames.append((index, pts_s))
        self._names.append(name)
        self._rows += [(position, one) for one in found]

    def table(self, class_names: Iterable[str] = ()) -> BoxTable:
        """What was gathered.

        Args:
            class_names: names that are to be there even when no object has them, in front, in this order.
        """
        wanted = list(dict.fromkeys(class_names))
        found = sorted({one.label for _, one in self._rows} - set(wanted))
        names = (*wanted, *found)
        number = {name: i for i, name in enumerate(names)}
        source, size_wh, rate_hz = self._about

        def column(values: list[Any], dtype: Any) -> Any:
            return np.array(values, dtype)

        return BoxTable(
            source=source,
            size_wh=size_wh,
            rate_hz=rate_hz,
            frame_index=column([index for index, _ in self._frames], np.int64),
            frame_pts_s=column([pts_s for _, pts_s in self._frames], np.float64),
            row_frame=column([position for position, _ in self._rows], np.int64),
            class_id=column([number[one.label] for _, one in self._rows], np.int64),
            class_names=names,
            confidence=column([one.confidence for _, one in self._rows], np.float64),
            xyxy=column([one.xyxy for _, one in self._rows], np.float64),
            track_id=column([-1 if one.track_id is None else one.track_id for _, one in self._rows], np.int64),
            frame_name=tuple(self._names) if any(self._names) else (),
        )
