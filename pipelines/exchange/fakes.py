"""Tables that are hard to write, and a session in an event log: for tests of what writes and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scenescope.models import Tracks
from scenescope.models.log_events import LogEvent
from scenescope.models.wire import pack
from scenescope.pipelines.exchange.table import BoxTable
from scenescope.pipelines.frame import IDENTITY, Result, Stamp
from scenescope.pipelines.log.records import FrameRecord, NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog

__all__ = ["ODD_NAMES", "logged", "make_table", "rows_by_frame"]

BEGAN_WALL_S = 1_700_000_000.0

ODD_NAMES = ('car, "red"', "a\nb", "<b>&amp;'x'", "Größe 人 🚗", " person ", "=1+1", "", "tab\tbed")


def make_table(frames: int = 40, names: tuple[str, ...] = ("car", "person", "traffic light"), **more: Any) -> BoxTable:
    """A film of 640 x 360 at uneven times, some frames passed over, some empty, some objects without a track."""
    random = np.random.default_rng(4)
    index = np.cumsum(random.integers(1, 3, frames)) + 6
    pts_s = np.round(index / 29.97 + random.uniform(-0.004, 0.004, frames), 6)
    counts = random.integers(0, 6, frames)
    counts[:2] = 0, 3
    rows = int(counts.sum())
    corner = np.stack([random.uniform(0, 500, rows), random.uniform(0, 250, rows)], 1)
    size = np.stack([random.uniform(0.2, 130, rows), random.uniform(0.2, 100, rows)], 1)
    row_frame = np.repeat(np.arange(frames), counts)
    # Numbers go round, so that tracks are interrupted; no number is in a frame twice.
    track_id = (np.arange(rows) % 7) + 1
    track_id[random.random(rows) < 0.2] = -1
    table = BoxTable(
        source="film.mp4",
        size_wh=(640, 360),
        rate_hz=29.97,
        frame_index=index,
        frame_pts_s=pts_s,
        row_frame=row_frame,
        class_id=(track_id + row_frame // 13) % len(names),
        class_names=names,
        confidence=np.round(random.uniform(0.05, 1, rows), 4),
        xyxy=np.asarray(np.round(np.hstack([corner, corner + size]), 2), np.float64),
        track_id=track_id,
    )
    return replace(table, **more)


def rows_by_frame(table: BoxTable) -> list[tuple[int, float, list[tuple[Any, ...]]]]:
    """Frames with their objects in an order of their own, for comparison."""
    frames = []
    for at, (index, pts_s) in enumerate(zip(table.frame_index.tolist(), table.frame_pts_s.tolist(), strict=True)):
        rows = table.rows_of(at)
        objects = zip(
            table.xyxy[rows].tolist(),
            [table.class_names[i] for i in table.class_id[rows].tolist()],
            table.confidence[rows].tolist(),
            table.track_id[rows].tolist(),
            strict=True,
        )
        frames.append((index, pts_s, sorted(objects, key=lambda one: ([round(v, 1) for v in one[0]], one[1]))))
    return frames


def logged(
    log: EventLog,
    table: BoxTable,
    source: Path | str = "film.mp4",
    pipeline: str = "",
    events: Sequence[LogEvent] = (),
    tracks: Sequence[TrackRecord] = (),
) -> int:
    """Put a table into the log as an analysis that is complete; gives the number of the session."""
    session_id = log.begin(
        NewSession(
            SessionKind.ANALYSIS, str(source), table.size_wh, table.rate_hz, pipeline=pipeline,
            began_wall_s=BEGAN_WALL_S,
        )
    )  # fmt: skip
    frames = []
    for at, (index, pts_s) in enumerate(zip(table.frame_index.tolist(), table.frame_pts_s.tolist(), strict=True)):
        rows = table.rows_of(at)
        found = Tracks(
            xyxy=table.xyxy[rows].astype(np.float32),
            confidence=table.confidence[rows].astype(np.float32),
            class_id=table.class_id[rows],
            class_names=table.class_names,
            track_id=table.track_id[rows],
        )
        frames.append(FrameRecord(index, pts_s, pack({"track": Result(found, IDENTITY, Stamp(index, 0.0))})))
    log.add(session_id, events, tracks, frames)
    log.progress(session_id, len(frames), float(table.frame_pts_s[-1]) if frames else 0.0)
    log.end(session_id, True)
    log.flush()
    return session_id
