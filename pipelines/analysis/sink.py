"""AnalysisSink: takes the frames of an analysis into the log, in order, and none of which a stage is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenescope.models import LogEvent
from scenescope.models.wire import pack_body, seal
from scenescope.pipelines.analysis.observed import Trace, Traced
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.records import FrameRecord
from scenescope.pipelines.log.spotter import EventSpotter
from scenescope.pipelines.log.tracks import Embed, TrackKeeper
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

if TYPE_CHECKING:
    from scenescope.pipelines.log.store import EventLog

__all__ = ["AnalysisSink", "Stored"]

# Frames without one of their stages that are held back until it is known whether that stage is out for good.
MOST_HELD = 32


@dataclass(frozen=True)
class Stored:
    """What an interrupted run of the same session has left in the log: frames before ``end``, and so many events."""

    end: int = 0
    events: int = 0


@dataclass(frozen=True, eq=False)
class _Prepared:
    frame: Frame
    traced: Traced
    body: bytes


class AnalysisSink(Sink):
    """Stores results, events and tracks of every frame.

    Frames that a stage has failed in are stored like all others once a later frame has passed all stages; when that
    stage is out for good they are not, so that a run that goes on later begins with them.

    Args:
        log: takes the records.
        session_id: of the session, which has begun.
        stages: ids of the stages that every frame should pass.
        trace: what they did.
        stored: what is there already, and is not stored again.
        embed: gives pictures of tracks their embeddings; None for none.
    """

    def __init__(
        self,
        log: EventLog,
        session_id: int,
        stages: Collection[str],
        trace: Trace,
        stored: Stored,
        embed: Embed | None = None,
    ) -> None:
        self.frames = 0
        self.last_s = 0.0
        self.failing = False
        self._log = log
        self._session_id = session_id
        self._stages = frozenset(stages)
        self._trace = trace
        self._stored = stored
        self._embed = embed
        self._spotter: EventSpotter | None = None
        self._keeper: TrackKeeper | None = None
        self._known_events = stored.events
        self._held: deque[_Prepared] = deque()
        self._wrote: set[str] = set()
        self._rerun: set[str] = set()

    def open(self, info: SourceInfo) -> None:
        """The film is open."""
        self._spotter, self._keeper = EventSpotter(info), TrackKeeper(info, embed=self._embed)

    def prepare(self, frame: Frame) -> _Prepared:
        """The frame's results as bytes; on any thread."""
        traced = self._trace.take(frame.index)
        return _Prepared(frame, traced, pack_body(traced.found) if frame.index >= self._stored.end else b"")

    def write(self, prepared: _Prepared) -> None:
        """Store a frame, or hold it back."""
        self._trace.forget_before(prepared.frame.index)
        self._held.append(prepared)
        whole = self._stages <= prepared.traced.ran
        if whole or (len(self._held) > MOST_HELD and not self.failing):
            self._store_held()
        while len(self._held) > MOST_HELD:
            self._held.pop()

    def close(self) -> None:
        """Store how far the tracks have come; a run that goes on stores them anew."""
        if self._keeper is not None:
            self._log.add(self._session_id, tracks=self._keeper.flush())

    def finish(self) -> None:
        """The film is over: store what is left, and what only the end tells."""
        self._store_held()
        if self._spotter is not None and self._keeper is not None:
            events, tracks = self._new(self._spotter.finish()), self._keeper.flush()
            self._log.add(self._session_id, events=events, tracks=tracks)
        self._log.progress(self._session_id, self.frames, self.last_s)

    def _store_held(self) -> None:
        while self._held:
            self._store(self._held.popleft())

    def _store(self, prepared: _Prepared) -> None:
        frame, traced = prepared.frame, prepared.traced
        self._wrote |= traced.wrote
        self._rerun |= traced.changed
        assert self._spotter is not None
        assert self._keeper is not None
        events, tracks = self._new(self._spotter.spot(frame)), self._keeper.see(frame)
        self.frames += 1
        self.last_s = frame.pts_s
        if frame.index < self._stored.end:
            return
        record = FrameRecord(frame.index, frame.pts_s, seal(prepared.body, sorted(self._wrote), sorted(self._rerun)))
        self._log.add(self._session_id, events=events, tracks=tracks, frames=(record,))
        if self._spotter.named:
            self._log.colours.keep(self._session_id, self._spotter.named)
        self._log.progress(self._session_id, self.frames, self.last_s)

    def _new(self, events: Sequence[LogEvent]) -> Sequence[LogEvent]:
        """Those that are not stored yet: a run that goes on tells the same ones again, in the same order."""
        known = min(self._known_events, len(events))
        self._known_events -= known
        return events[known:]
