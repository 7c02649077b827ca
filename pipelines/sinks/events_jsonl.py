"""events.jsonl: one line of JSON for every event."""

from __future__ import annotations

import heapq
import json
from io import BufferedWriter
from pathlib import Path
from typing import Any

from scenescope.models import LogEvent, SinkError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.spotter import EventSpotter
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

__all__ = ["EventsJsonl", "event_line"]

# Stages tell of what has happened a little while ago: an object has left a zone when it was not seen for so long.
LATE_S = 3.0


def event_line(event: LogEvent) -> bytes:
    """An event as a line of JSON in UTF-8; times are rounded to microseconds. ``text`` and ``value`` if there are."""
    line: dict[str, Any] = {
        "t_s": round(event.t_s, 6),
        "type": event.kind.value,
        "label": event.label,
        "track_id": event.track_id,
        "zone": event.zone,
        "line": event.line,
        "direction": event.direction,
        "frame": event.frame,
    }
    if event.text:
        line["text"] = event.text
    if event.value is not None:
        line["value"] = round(event.value, 4)
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


class EventsJsonl(Sink):
    """Writes what happens, one line of JSON an event, in UTF-8, by time.

    ``{"t_s":1.2,"type":"line_cross","label":"car","track_id":3,"zone":"","line":"Gate","direction":"in","frame":36}``

    Equal results give equal bytes. An event is written once no earlier one can come any more, and handed to the
    system at once: a process that is killed leaves whole lines.

    Args:
        path: the file; one that is there is replaced when the source opens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._file: BufferedWriter | None = None
        self._spotter: EventSpotter | None = None
        self._waiting: list[tuple[float, int, LogEvent]] = []
        self._number = 0

    def open(self, info: SourceInfo) -> None:
        """Begin the file.

        Raises:
            SinkError: it cannot be written there.
        """
        self.lines = self._number = 0
        self._waiting = []
        self._spotter = EventSpotter(info)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as error:
            raise self._error(error) from error

    def write(self, prepared: Any) -> None:
        """Take the next frame.

        Raises:
            SinkError: the disk is full or gone.
        """
        frame: Frame = prepared
        assert self._spotter is not None
        self._keep(self._spotter.spot(frame))
        self._write_before(min(self._spotter.settled_s, frame.pts_s - LATE_S))

    def close(self) -> None:
        """Write what waits and end the file.

        Raises:
            SinkError: the disk is full or gone.
        """
        if self._file is None or self._spotter is None:
            return
        try:
            self._keep(self._spotter.finish())
            self._write_before(float("inf"))
        finally:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise self._error(error) from error

    def _keep(self, events: list[LogEvent]) -> None:
        for event in events:
            # Of one moment, in the order in which they were told.
            heapq.heappush(self._waiting, (round(event.t_s, 6), self._number, event))
            self._number += 1

    def _write_before(self, settled_s: float) -> None:
        due = []
        while self._waiting and self._waiting[0][0] < settled_s:
            due.append(event_line(heapq.heappop(self._waiting)[2]))
        if not due:
            return
        assert self._file is not None
        try:
            for line in due:
                self._file.write(line)
                self._file.flush()
        except OSError as error:
            raise self._error(error) from error
        self.lines += len(due)

    def _error(self, error: OSError) -> SinkError:
        return SinkError(
            f"Cannot write {self.path}: {error.strerror or error}.",
            hint="Choose another folder, or make room on the disk.",
        )
