"""What happens in a scene, as the event log keeps it: one small record for each, with its exact frame and time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["EventKind", "LogEvent", "WithEvents"]


class EventKind(StrEnum):
    """Kinds of events; the values are what files and the database hold."""

    APPEAR = "appear"
    VANISH = "vanish"
    ZONE_ENTER = "zone_enter"
    ZONE_LEAVE = "zone_leave"
    LINE_CROSS = "line_cross"
    DWELL = "dwell"
    SPEED = "speed"
    SCENE_CHANGE = "scene_change"
    CODE = "code"
    TEXT = "text"
    MARK = "mark"
    CAPTION = "caption"
    GAP = "gap"
    """Frames that were not analysed, or a jump of the player: nothing is claimed about that time."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Something that happened.

    Attributes:
        kind: what.
        t_s: media time in seconds: the ``pts_s`` of ``frame``.
        frame: index of the frame in its source.
        label: class of the object; empty when it is about no object.
        track_id: of the object; None when it has no number.
        zone, line: name of the zone or line that it is about; empty otherwise.
        direction: of a line crossing: the line's own word for it, "in" or "out" unless renamed.
        text: what was read, marked or said.
        value: seconds of a dwell, metres a second of a speed, score of a scene change, length in seconds of a gap.
        xyxy: box of the object in pixels of the source picture; None when it has none.
        end_s: media time at which it was over, for what lasts; None for a moment.
        wall_s: Unix time, for live sources; None for files.
        id: row in the log; None before it is stored.
        session_id: row of the session in the log; None before it is stored.
    """

    kind: EventKind
    t_s: float
    frame: int
    label: str = ""
    track_id: int | None = None
    zone: str = ""
    line: str = ""
    direction: str = ""
    text: str = ""
    value: float | None = None
    xyxy: tuple[float, float, float, float] | None = None
    end_s: float | None = None
    wall_s: float | None = None
    id: int | None = None
    session_id: int | None = None


class WithEvents:
    """Mixin of results that also tell what happened in this very frame, for the event log.

    ``events`` are told once, by the frame in which they are known.
    """

    events: tuple[LogEvent, ...] = ()
