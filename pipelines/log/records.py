"""What the event log holds, as small frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.log_events import EventKind

__all__ = [
    "EventColumns",
    "EventQuery",
    "FrameRecord",
    "NewSession",
    "SearchHit",
    "Session",
    "SessionKind",
    "TrackRecord",
]


class SessionKind(StrEnum):
    """Why a session was kept: somebody watched (a camera, a file), or a file was analysed frame by frame."""

    LIVE = "live"
    WATCHED = "watched"
    ANALYSIS = "analysis"


@dataclass(frozen=True)
class NewSession:
    """A session that is about to begin.

    Attributes:
        kind: why it is kept.
        source: the file's path, or the camera's name, for people; never an address with a password.
        fingerprint: of the file's content; empty for live sources.
        size_wh: of the source's pictures.
        rate_hz: of the source; 0 when unknown.
        pipeline: the pipeline as YAML.
        start_s, end_s: the range of an analysis; None for the beginning or the end.
        began_wall_s: Unix time.
    """

    kind: SessionKind
    source: str
    size_wh: tuple[int, int] = (0, 0)
    rate_hz: float = 0.0
    fingerprint: str = ""
    pipeline: str = ""
    start_s: float | None = None
    end_s: float | None = None
    began_wall_s: float = 0.0
    title: str = ""


@dataclass(frozen=True)
class Session(NewSession):
    """A session in the log.

    Attributes:
        ended_wall_s: Unix time; None while it goes on, and for good when the process was killed.
        complete: it has all that was to come; False while it goes on, and for good when it was cut off.
        frames, last_s: how many frames have passed, and the media time of the last.
        active: it goes on in this process.
    """

    id: int = 0
    ended_wall_s: float | None = None
    complete: bool = False
    frames: int = 0
    last_s: float = 0.0
    active: bool = False


@dataclass(frozen=True)
class TrackRecord:
    """An object from its first frame to its last; stored anew as it goes on (``track_id`` is unique in a session).

    Attributes:
        label: the class that it had most often.
        confidence: of its best moment.
        best_frame, best_s, best_xyxy: when it was seen best, and its box then in pixels of the source picture.
        picture_jpeg: cut-out of that moment, after privacy stages; empty when none was kept.
        embedding: float32 (D,), unit length, for "find similar"; None when there is no network for it.
    """

    track_id: int
    label: str
    first_s: float
    first_frame: int
    last_s: float
    last_frame: int
    confidence: float = 0.0
    best_frame: int = 0
    best_s: float = 0.0
    best_xyxy: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    picture_jpeg: bytes = b""
    embedding: NDArray[np.float32] | None = field(default=None, compare=False)
    session_id: int | None = None


@dataclass(frozen=True)
class FrameRecord:
    """All results of one frame of an analysis, as ``scenescope.models.wire`` writes them."""

    frame: int
    pts_s: float
    results: bytes


@dataclass(frozen=True)
class EventQuery:
    """Which events: every condition that is set must hold.

    Times are media time, from ``start_s`` (included) to ``end_s`` (excluded). ``wall_start_s``, ``wall_end_s`` are
    Unix times, for live sessions. An empty tuple stands for all.
    """

    session_id: int | None = None
    kinds: tuple[EventKind, ...] = ()
    labels: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    track_ids: tuple[int, ...] = ()
    start_s: float | None = None
    end_s: float | None = None
    wall_start_s: float | None = None
    wall_end_s: float | None = None
    text: str = ""
    limit: int | None = None
    newest_first: bool = False


@dataclass(frozen=True)
class SearchHit:
    """One answer of a search. ``score`` is higher for a better one, comparable within one search only."""

    score: float
    session_id: int
    t_s: float
    frame: int
    event_id: int | None = None
    track_id: int | None = None
    label: str = ""
    text: str = ""


@dataclass(frozen=True, eq=False)
class EventColumns:
    """Many events as parallel arrays, sorted by time, for a timeline.

    Attributes:
        id: int64 (N,), rows in the log.
        t_s, end_s: float64 (N,), media time; ``end_s`` equals ``t_s`` for a moment.
        frame: int64 (N,).
        kind, label, zone, line: int32 (N,), indices into ``names`` of that column.
        track_id: int64 (N,), -1 for none.
        names: the words of each coded column: {"kind": ("appear", ...), "label": (...), ...}.
    """

    id: NDArray[np.int64]
    t_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    frame: NDArray[np.int64]
    kind: NDArray[np.int32]
    label: NDArray[np.int32]
    zone: NDArray[np.int32]
    line: NDArray[np.int32]
    track_id: NDArray[np.int64]
    names: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.id)

    def words(self, column: str, row: int) -> str:
        """The word that a coded column has in a row."""
        codes: Any = getattr(self, column)
        return self.names[column][int(codes[row])]
