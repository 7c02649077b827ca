"""What is under the mouse, and what comes next: found by numpy, however many events there are. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from scenescope.models.log_events import EventKind, LogEvent
from scenescope.widgets import timeline_raster as raster
from scenescope.widgets.timeline_data import Group, TimelineData, kind_of
from scenescope.widgets.timeline_layout import BAR_PX, PAD_PX, Row
from scenescope.widgets.timeline_span import Span
from scenescope.widgets.timeline_words import event_words, one_line, stamp

__all__ = ["Hit", "What", "event_of", "hit_in", "neighbour", "words_of"]

REACH_PX = 7.0


class What(StrEnum):
    """What was hit."""

    EVENT = "event"
    TRACK = "track"


@dataclass(frozen=True)
class Hit:
    """An event or a track, by its row in the columns."""

    what: What
    row: int

    def moment(self, data: TimelineData) -> tuple[int, float]:
        """Its exact frame, and the time of that; of a track, the first."""
        if self.what is What.TRACK:
            return int(data.tracks.first_frame[self.row]), float(data.tracks.first_s[self.row])
        return int(data.columns.frame[self.row]), float(data.columns.t_s[self.row])

    def end_s(self, data: TimelineData) -> float:
        """When it was over."""
        return float((data.tracks.last_s if self.what is What.TRACK else data.columns.end_s)[self.row])

    def track_id(self, data: TimelineData) -> int | None:
        """The number of its object; None when it has none."""
        number = int((data.tracks if self.what is What.TRACK else data.columns).track_id[self.row])
        return number if number >= 0 else None


def hit_in(row: Row, data: TimelineData, span: Span, x_px: float, y_px: float) -> Hit | None:
    """What is at a place of a row; ``y_px`` counts from its top. Events before tracks, of events the nearest."""
    if len(row.rows):
        t_s = row.t_s
        seen = raster.visible(t_s, span, REACH_PX)
        near = raster.near((t_s[seen] - span.start_s) * span.px_per_s, x_px, REACH_PX)
        if near is not None:
            return Hit(What.EVENT, int(row.rows[seen][near]))
        at_s = span.t(x_px)
        within = np.flatnonzero((t_s <= at_s) & (data.columns.end_s[row.rows] > at_s))
        if len(within):
            return Hit(What.EVENT, int(row.rows[within[-1]]))
    if row.group is Group.TRACKS and len(row.tracks):
        at_s, slack = span.t(x_px), 2 / span.px_per_s
        tracks = data.tracks
        here = (tracks.first_s[row.tracks] - slack <= at_s) & (tracks.last_s[row.tracks] + slack >= at_s)
        if row.packed:
            here &= tracks.row[row.tracks] == int((y_px - PAD_PX) // BAR_PX)
        found = np.flatnonzero(here)
        if len(found):
            return Hit(What.TRACK, int(row.tracks[found[-1]]))
    return None


def neighbour(rows: NDArray[np.int64], data: TimelineData, step: int, row: int | None, now_s: float) -> int | None:
    """The next event (``step`` 1) or the one before (-1), among ``rows``, which are sorted by time.

    Args:
        rows: which are wanted.
        data: of which.
        step: 1 or -1.
        row: the event to go on from; None to go on from ``now_s``.
        now_s: where the film is.
    """
    if not len(rows):
        return None
    if row is not None and (at := int(np.searchsorted(rows, row))) < len(rows) and rows[at] == row:
        found = at + step
    else:
        t_s = data.columns.t_s[rows]
        # A picture is shown a little after its time in binary fractions; it is not its own neighbour.
        found = (
            int(np.searchsorted(t_s, now_s + 1e-6, side="right"))
            if step > 0
            else int(np.searchsorted(t_s, now_s - 1e-6)) - 1
        )
    return int(rows[found]) if 0 <= found < len(rows) else None


def event_of(data: TimelineData, row: int) -> LogEvent:
    """What the columns know of an event: all but its text, value and box."""
    columns = data.columns
    kind = columns.words("kind", row)
    track_id = int(columns.track_id[row])
    return LogEvent(
        kind_of(kind) or EventKind.CAPTION,
        float(columns.t_s[row]),
        int(columns.frame[row]),
        columns.words("label", row),
        track_id if track_id >= 0 else None,
        columns.words("zone", row),
        columns.words("line", row),
        id=int(columns.id[row]),
    )


def words_of(hit: Hit, data: TimelineData, details: LogEvent | None = None) -> str:
    """A hit as a sentence without its full stop; ``details`` are used when they are there."""
    if hit.what is What.EVENT:
        return event_words(details or event_of(data, hit.row))
    tracks = data.tracks
    label = one_line(tracks.names[tracks.label[hit.row]]) or "object"
    first, last = float(tracks.first_s[hit.row]), float(tracks.last_s[hit.row])
    frame = int(tracks.first_frame[hit.row])
    return f"{label} #{tracks.track_id[hit.row]} from {stamp(first)} to {stamp(last)}, first in frame {frame}"
