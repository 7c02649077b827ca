"""BoxTable: all objects found in a source, as parallel arrays; what exporters take and importers give."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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
        size_wh: of the source's pictures, in pixels; (0, 0) when unknown.
        rate_hz: frames a second; 0 when unknown.
        frame_index: int64 (M,), of every frame that was looked at, ascending, also those without objects.
        frame_pts_s: float64 (M,), their presentation times; all 0 when unknown.
        frame_name: (M,) file names of the pictures; empty for a video.
        frame_size_wh: int64 (M, 2), where pictures differ in size; ``size_wh`` for all unless given.
        row_frame: int64 (N,), for every object its frame, as a position in ``frame_index``; ascending.
        class_id: int64 (N,), an index into ``class_names``.
        confidence: float64 (N,), 0..1; 1 in a ground truth.
        xyxy: float64 (N, 4), left, top, right, bottom in pixels of the source picture.
        track_id: int64 (N,), -1 for none.
        notes: sentences about what an importer left out or had to assume.
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
    frame_size_wh: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

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

    @property
    def sizes_wh(self) -> NDArray[np.int64]:
        """Width and height of every frame, int64 (M, 2)."""
        if self.frame_size_wh is not None:
            return self.frame_size_wh
        return np.broadcast_to(np.array(self.size_wh, np.int64), (len(self.frame_index), 2))

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Where each frame's rows begin, int64 (M + 1,); those of frame ``i`` end at ``bounds[i + 1]``."""
        return np.searchsorted(self.row_frame, np.arange(len(self.frame_index) + 1))

    def rows_of(self, position: int) -> slice:
        """The rows of the frame at ``position`` of ``frame_index``."""
        first, end = np.searchsorted(self.row_frame, [position, position + 1])
        return slice(int(first), int(end))


class BoxTableBuilder:
    """Gathers a :class:`BoxTable` frame by frame; about 70 bytes an object.

    Class names are numbered in alphabetical order, so that equal results give equal files.
    """

    def __init__(self, source: str, size_wh: tuple[int, int], rate_hz: float) -> None:
        self._about = (source, size_wh, rate_hz)
        self._index, self._pts_s, self._names, self._sizes = array("q"), array("d"), list[str](), array("q")
        self._row_frame, self._class_id, self._track_id = array("q"), array("q"), array("q")
        self._confidence, self._xyxy = array("d"), array("d")
        self._number: dict[str, int] = {}

    def add(self, frame: Frame, name: str = "") -> None:
        """Take the objects that were found in this very frame."""
        self.add_found(frame.index, frame.pts_s, list(found_objects(frame)), name, frame.source_size_wh)

    def add_found(
        self,
        index: int,
        pts_s: float,
        found: Sequence[FoundObject],
        name: str = "",
        size_wh: tuple[int, int] | None = None,
    ) -> None:
        """Take a frame's objects; frames come in order."""
        position = len(self._index)
        self._index.append(index)
        self._pts_s.append(pts_s)
        self._names.append(name)
        self._sizes.extend(size_wh or self._about[1])
        for one in found:
            self._row_frame.append(position)
            self._class_id.append(self._number.setdefault(one.label, len(self._number)))
            self._track_id.append(-1 if one.track_id is None else one.track_id)
            self._confidence.append(one.confidence)
            self._xyxy.extend(one.xyxy)

    def table(self, class_names: Iterable[str] = (), notes: tuple[str, ...] = ()) -> BoxTable:
        """What was gathered.

        Args:
            class_names: names that are to be there even when no object has them, in front, in this order.
            notes: sentences that go with it.
        """
        wanted = list(dict.fromkeys(class_names))
        names = (*wanted, *sorted(self._number.keys() - set(wanted)))
        number = {name: i for i, name in enumerate(names)}
        renumbered = np.array([number[name] for name in self._number], np.int64)
        class_id = np.array(self._class_id, np.int64)
        sizes = np.array(self._sizes, np.int64).reshape(-1, 2)
        source, size_wh, rate_hz = self._about
        return BoxTable(
            source=source,
            size_wh=size_wh,
            rate_hz=rate_hz,
            frame_index=np.array(self._index, np.int64),
            frame_pts_s=np.array(self._pts_s, np.float64),
            row_frame=np.array(self._row_frame, np.int64),
            class_id=renumbered[class_id] if len(class_id) else class_id,
            class_names=names,
            confidence=np.array(self._confidence, np.float64),
            xyxy=np.array(self._xyxy, np.float64),
            track_id=np.array(self._track_id, np.int64),
            frame_name=tuple(self._names) if any(self._names) else (),
            frame_size_wh=None if (sizes == size_wh).all() else sizes,
            notes=notes,
        )
