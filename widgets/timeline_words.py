"""Events in words: for tooltips, lists and screen readers. Text of the log is foreign, so it is made harmless here."""

from __future__ import annotations

import math
import re

from scenescope.models.log_events import EventKind, LogEvent

__all__ = ["KIND_TITLES", "elide", "event_words", "one_line", "stamp", "what"]

MOST_LETTERS = 80

KIND_TITLES = {
    EventKind.APPEAR: "Appears",
    EventKind.VANISH: "Vanishes",
    EventKind.ZONE_ENTER: "Enters zone",
    EventKind.ZONE_LEAVE: "Leaves zone",
    EventKind.LINE_CROSS: "Crosses line",
    EventKind.DWELL: "Stays long",
    EventKind.SPEED: "Is fast",
    EventKind.SCENE_CHANGE: "Scene change",
    EventKind.CODE: "Code",
    EventKind.TEXT: "Text",
    EventKind.MARK: "Mark",
    EventKind.CAPTION: "Caption",
    EventKind.GAP: "Gap",
}

# Marks that change the direction of all that follows (Unicode UAX #9), and what is no letter at all.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str, most: int = MOST_LETTERS) -> str:
    """Foreign text as one line of at most ``most`` letters, without signs that would turn round what follows."""
    # What is beyond is not shown, so it need not be cleaned either.
    return elide(_SPACE.sub(" ", _DIRECTIONS.sub("", text[: 4 * most])).strip(), most)


def elide(text: str, most: int) -> str:
    """The text, cut off with an ellipsis when it is longer than ``most`` letters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def stamp(t_s: float, digits: int = 2) -> str:
    """Media time for people, also before the beginning: "0:03.25", "1:02:03.40", "-0:01.00"."""
    if not math.isfinite(t_s):
        return "no time"
    unit = 10**digits
    parts = round(abs(t_s) * unit)
    sign = "-" if t_s < 0 and parts else ""
    whole, rest = divmod(parts, unit)
    fraction = f".{rest:0{digits}d}" if digits else ""
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{sign}{hours}:{minutes:02d}:{seconds:02d}{fraction}" if hours else f"{sign}{minutes}:{seconds:02d}{fraction}"
    )


def event_words(event: LogEvent) -> str:
    """An event as a sentence without its full stop: "person #4 crosses line Door (in) at 0:12.30, frame 369"."""
    return f"{what(event)} at {stamp(event.t_s)}, frame {event.frame}"


def what(event: LogEvent) -> str:
    """What happened, without when: "person #4 crosses line Door (in)"."""
    who = one_line(event.label) or "object"
    if event.track_id is not None and event.track_id >= 0:
        who = f"{who} #{event.track_id}"
    zone, line, text = one_line(event.zone), one_line(event.line), one_line(event.text)
    quoted = f" “{text}”" if text else ""
    value = event.value if event.value is not None and math.isfinite(event.value) else None
    kind = event.kind
    if kind is EventKind.APPEAR:
        return f"{who} appears"
    if kind is EventKind.VANISH:
        return f"{who} vanishes"
    if kind is EventKind.ZONE_ENTER:
        return f"{who} enters zone {zone}"
    if kind is EventKind.ZONE_LEAVE:
        return f"{who} leaves zone {zone}"
    if kind is EventKind.LINE_CROSS:
        return f"{who} crosses line {line}" + (f" ({one_line(event.direction)})" if event.direction else "")
    if kind is EventKind.DWELL:
        where = f" in {zone}" if zone else ""
        return f"{who} stays{where}" + (f" for {value:.1f} s" if value is not None else " long")
    if kind is EventKind.SPEED:
        return f"{who} is fast" + (f", {value:.1f} m/s" if value is not None else "")
    if kind is EventKind.GAP:
        return "Nothing was analysed" + (f" for {value:.1f} s" if value is not None else "")
    return f"{KIND_TITLES[kind]}{quoted}"
