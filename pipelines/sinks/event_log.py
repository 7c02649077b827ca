"""LogSink: keeps what happens in the event log, for whoever looks at a camera or plays a file."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import LogEvent, ScenescopeError, SinkError
from scenescope.pipelines.frame import Frame, Image
from scenescope.pipelines.log.records import NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.spotter import EventSpotter
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed, TrackKeeper
from scenescope.pipelines.log.watched import Told, WatchedSpotter
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks.events_jsonl import EventsJsonl
from scenescope.pipelines.source import SourceInfo

__all__ = ["EventsJsonl", "LogSink", "WatchedSource"]

RETRY_S = 5.0
PROGRESS_EVERY_S = 1.0
MOST_WAITING = 10_000


@dataclass(frozen=True)
class WatchedSource:
    """What the log says of a source, beside what the open source says itself.

    Attributes:
        path: of a file, or the camera's name; the name of the open source when empty.
        fingerprint: of the file's content; empty for live sources.
        pipeline: as YAML.
    """

    path: str = ""
    fingerprint: str = ""
    pipeline: str = ""


class LogSink(Sink):
    """Begins a session in the log with the first frame, adds what happens and which tracks there are, and ends it.

    A live source makes a live session with the time of day of every event, and never waits for the disk. A file makes
    a watched session, in which every moment counts once however often it is played. While the log cannot be written,
    the newest events wait in memory.

    Args:
        log: where to.
        about: called when a session begins, for what only the app knows of the source; on the sink's thread.
        embed: gives pictures of tracks their embeddings, for "find similar"; None for none.
        wall_clock: Unix time.
        monotonic: the clock of ``Frame.captured_s``.

    Attributes:
        enabled: may be switched at any time, on any thread; frames that pass meanwhile are a gap in the log.
        pictures: whether pictures of tracks are kept; likewise.
        session_id: of the session that goes on; None without one.
        latest_session_id: that, or after the end of the source the session that was; None once another source is open.
        embed_problem: why there are no embeddings any more; None when all is well.
    """

    def __init__(
        self,
        log: EventLog,
        about: Callable[[], WatchedSource] = WatchedSource,
        *,
        pictures: bool = True,
        embed: Embed | None = None,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.enabled = True
        self.pictures = pictures
        self.session_id: int | None = None
        self.latest_session_id: int | None = None
        self._keeping = threading.Lock()
        self._taken = threading.Condition()
        self._taken_s = math.inf
        self.embed_problem: ScenescopeError | None = None
        self._info: SourceInfo | None = None
        self._log = log
        self._about = about
        self._embed = embed
        self._wall_clock = wall_clock
        self._monotonic = monotonic

    def open(self, info: SourceInfo) -> None:
        """Make ready for a source."""
        self._info = info
        self._spotter: EventSpotter | WatchedSpotter = EventSpotter(info) if info.live else WatchedSpotter(info)
        self._keeper = TrackKeeper(info, pictures=self.pictures, embed=self._embedded if self._embed else None)
        self._waiting: deque[LogEvent] = deque(maxlen=MOST_WAITING)
        self._colours: deque[tuple[int, str]] = deque(maxlen=MOST_WAITING)
        self._retry_s = self._told_s = float("-inf")
        self._frames = 0
        self._last_s = 0.0
        self.latest_session_id = None
        self._has_taken(-math.inf)

    def write(self, prepared: Any) -> None:
        """Take the next frame.

        Raises:
            SinkError: the log is closed.
        """
        frame: Frame = prepared
        if self.enabled:
            with self._keeping:
                self._keep(frame)
        self._has_taken(frame.captured_s)

    def wait_for(self, captured_s: float, timeout_s: float) -> bool:
        """Wait until all that was seen up to a frame has been handed to the log; False when that takes longer.

        Any thread. True at once while no source is open: nothing will come.

        Args:
            captured_s: when the frame was captured, on the monotonic clock.
            timeout_s: wait no longer.

        Raises:
            SinkError: the log is closed.
        """
        with self._taken:
            taken = self._taken.wait_for(lambda: self._taken_s >= captured_s, timeout_s)
        if not self._keeping.acquire(timeout=timeout_s):
            return False
        try:
            # How long tracks stay is noted every few seconds only.
            if self.session_id is not None:
                self._log.add(self.session_id, tracks=self._keeper.unwritten())
        finally:
            self._keeping.release()
        return taken

    def _has_taken(self, captured_s: float) -> None:
        with self._taken:
            self._taken_s = captured_s
            self._taken.notify_all()

    def _keep(self, frame: Frame) -> None:
        if isinstance(self._spotter, EventSpotter):
            events = self._with_time_of_day(self._spotter.spot(frame), frame)
            told = Told(events, frame=frame, colours=self._spotter.named)
        else:
            told = self._spotter.spot(frame)
        tracks: Sequence[TrackRecord] = ()
        if told.frame is not None:
            self._frames += 1
            self._last_s = max(self._last_s, frame.pts_s)
            self._keeper.pictures = self.pictures
            tracks = self._keeper.see(told.frame)
        self._store(told, tracks)

    def close(self) -> None:
        """End the session."""
        if self._info is None:
            return
        with self._keeping:
            if self._frames:
                self._store(Told(self._spotter.finish()), self._keeper.flush())
            session_id, self.session_id = self.session_id, None
        self._has_taken(math.inf)
        if session_id is not None:
            self._log.progress(session_id, self._frames, self._last_s)
            self._log.end(session_id, complete=True)
        self._frames = 0

    def _with_time_of_day(self, events: list[LogEvent], frame: Frame) -> list[LogEvent]:
        # The clock on the wall may be set while a camera runs: what counts is what it shows now.
        frame_wall_s = self._wall_clock() - (self._monotonic() - frame.captured_s)
        return [replace(event, wall_s=frame_wall_s - (frame.pts_s - event.t_s)) for event in events]

    def _store(self, told: Told, tracks: Sequence[TrackRecord]) -> None:
        self._waiting.extend(told.events)
        self._colours.extend(told.colours.items())
        session_id = self._session()
        if session_id is None:
            for event in told.retracted:
                if event in self._waiting:
                    self._waiting.remove(event)
            return
        if self._waiting or tracks:
            self._log.add(session_id, events=tuple(self._waiting), tracks=tracks)
            self._waiting.clear()
        if self._colours:
            self._log.colours.keep(session_id, dict(self._colours))
            self._colours.clear()
        if told.retracted:
            self._log.retract(session_id, told.retracted)
        now_s = self._monotonic()
        if now_s - self._told_s >= PROGRESS_EVERY_S:
            self._told_s = now_s
            self._log.progress(session_id, self._frames, self._last_s)

    def _session(self) -> int | None:
        """The session, begun if there is none; None while the log cannot be written."""
        now_s = self._monotonic()
        if self.session_id is None and now_s >= self._retry_s:
            try:
                self.session_id = self.latest_session_id = self._log.begin(self._new_session())
            except SinkError:
                if self._log.closed:
                    raise
                # The log says by itself that it has a problem.
                self._retry_s = now_s + RETRY_S
        return self.session_id

    def _embedded(self, pictures: list[Image]) -> NDArray[np.float32] | None:
        """Embeddings, as long as the network works: without it the log is kept all the same."""
        if self._embed is None:
            return None
        try:
            return self._embed(pictures)
        except ScenescopeError as error:
            self._embed, self.embed_problem = None, error
            return None

    def _new_session(self) -> NewSession:
        about, info = self._about(), self._info
        assert info is not None
        return NewSession(
            SessionKind.LIVE if info.live else SessionKind.WATCHED,
            about.path or info.name,
            info.size_wh,
            info.rate_hz,
            fingerprint=about.fingerprint,
            pipeline=about.pipeline,
            began_wall_s=self._wall_clock(),
        )
