"""The positions of a running pipeline: stages, side lanes, what sinks prepare, and the end of the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scenescope.pipelines.flow import Flight
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.host import StageHost
from scenescope.pipelines.side_lane import SideLane
from scenescope.pipelines.sink_host import SinkHost

__all__ = ["EmitStep", "PrepareStep", "SideStep", "StageStep"]

FOREVER_S = float("inf")


@dataclass(frozen=True)
class StageStep:
    """A main-lane stage."""

    host: StageHost

    @property
    def serial(self) -> bool:
        return self.host.info.stateful

    @property
    def patience_s(self) -> float:
        return self.host.info.patience_s

    def run(self, flight: Flight) -> Any:
        return self.host.run(flight.frame)

    def finish(self, flight: Flight, value: Any) -> None:
        flight.frame = value if isinstance(value, Frame) else self.host.bypass(flight.frame)

    def give_up(self, flight: Flight) -> None:
        flight.frame = self.host.gave_up(flight.frame)


@dataclass(frozen=True)
class SideStep:
    """A stage in its own lane: leaves the frame there if the lane is free, takes along the newest result."""

    lane: SideLane
    serial: bool = True
    patience_s: float = FOREVER_S

    def run(self, flight: Flight) -> Any:
        return self.lane.pass_by(flight.frame)

    def finish(self, flight: Flight, value: Any) -> None:
        flight.frame = value

    def give_up(self, flight: Flight) -> None:
        """Never asked for: passing by does not wait."""


@dataclass(frozen=True)
class PrepareStep:
    """What sinks do with a frame that needs no order."""

    sinks: Sequence[SinkHost]
    serial: bool = False
    patience_s: float = FOREVER_S

    def run(self, flight: Flight) -> Any:
        return {} if flight.preview else {sink: sink.prepare(flight.frame) for sink in self.sinks}

    def finish(self, flight: Flight, value: Any) -> None:
        flight.prepared = value or {}

    def give_up(self, flight: Flight) -> None:
        """Never asked for: a sink that hangs is dropped by its host."""


@dataclass(frozen=True)
class EmitStep:
    """The end of the line: sinks, view and listeners get the frame, in order."""

    emit: Callable[[Flight], None]
    serial: bool = True
    patience_s: float = FOREVER_S

    def run(self, flight: Flight) -> Any:
        self.emit(flight)

    def finish(self, flight: Flight, value: Any) -> None:
        """Nothing is left to do."""

    def give_up(self, flight: Flight) -> None:
        """Never asked for."""
