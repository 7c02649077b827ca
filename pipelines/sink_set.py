"""SinkSet: the sinks of one session, those for finished frames and those for pictures as they are captured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scenescope.pipelines.events import SinkFailed
from scenescope.pipelines.flow import Flight
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sink_host import SinkHost
from scenescope.pipelines.source import SourceInfo

__all__ = ["SinkSet"]

REMOVE_WITHIN_S = 10.0


class SinkSet:
    """Opens sinks with the source, hands them what they take, and finishes them.

    Changes come from one thread (between two frames); frames from the pipeline's and the capture's.

    Args:
        sinks: opened with the source.
        may_wait: True when the pipeline may be slowed down (files).
        on_failure: told once of every sink that fails.
    """

    def __init__(self, sinks: Sequence[Sink], may_wait: bool, on_failure: Callable[[SinkFailed], None]) -> None:
        self._wanted = list(sinks)
        self._may_wait = may_wait
        self._on_failure = on_failure
        self._info: SourceInfo | None = None
        self._hosts: tuple[SinkHost, ...] = ()
        self._captured: tuple[SinkHost, ...] = ()
        self._lagged_before = 0

    def open(self, info: SourceInfo) -> None:
        """The source is open: start all sinks."""
        self._info = info
        for sink in self._wanted:
            self._start(sink, info)

    def add(self, sink: Sink) -> None:
        """Start one more, from the next frame on."""
        self._wanted.append(sink)
        if self._info is not None:
            self._start(sink, self._info)

    def remove(self, sink: Sink) -> None:
        """Finish a sink: what it was given is written."""
        self._wanted = [other for other in self._wanted if other is not sink]
        gone = [host for host in (*self._hosts, *self._captured) if host.sink is sink]
        self._hosts = tuple(host for host in self._hosts if host.sink is not sink)
        self._captured = tuple(host for host in self._captured if host.sink is not sink)
        for host in gone:
            host.finish(time.monotonic() + REMOVE_WITHIN_S)
            self._lagged_before += host.lagged

    def _start(self, sink: Sink, info: SourceInfo) -> None:
        host = SinkHost(sink, info, self._may_wait, self._on_failure)
        if sink.captured:
            self._captured = (*self._captured, host)
        else:
            self._hosts = (*self._hosts, host)

    @property
    def preparing(self) -> list[SinkHost]:
        """Those whose ``prepare`` is run by the pipeline."""
        return [host for host in self._hosts if host.prepares]

    @property
    def lagged(self) -> int:
        """Frames that sinks have missed."""
        return self._lagged_before + sum(host.lagged for host in (*self._hosts, *self._captured))

    def offer_captured(self, frame: Frame) -> None:
        """A picture as it came from the source."""
        for host in self._captured:
            host.offer(frame)

    def offer(self, flight: Flight) -> None:
        """A frame that has passed all stages."""
        for host in self._hosts:
            host.offer(flight.prepared.get(host) if host.prepares else flight.frame)

    def finish(self, deadline_s: float) -> bool:
        """Write what waits and close all; True when that was done by ``deadline_s`` on the monotonic clock."""
        finished = [host.finish(deadline_s) for host in (*self._hosts, *self._captured)]
        return all(finished)
