"""Events of the log in plain English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scenescope.app.assistant.phrases import duration, place, tags
from scenescope.app.assistant.words import Target, Vocabulary, joined
from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.scene_state import clean_text, zone_of

__all__ = ["TELLING", "event_clause", "places", "quoted", "target_word", "who"]

MAX_NAME_CHARS = 60
MAX_TEXT_CHARS = 80
TELLING = tuple(kind for kind in EventKind if kind is not EventKind.GAP)
"""Kinds of events that are worth a sentence."""


def quoted(name: str) -> str:
    """A name that the user or a picture has given, as one harmless line in quotes."""
    return f"'{clean_text(name, MAX_TEXT_CHARS)}'"


def places(names: Sequence[str], kind: EventKind) -> str:
    """Zones or lines: "'door'", "'door' or 'gate'", "any zone" where none is named."""
    nothing = "any line" if kind is EventKind.LINE_CROSS else "any zone"
    return joined([quoted(name) for name in names]).replace(" and ", " or ") if 0 < len(names) <= 3 else nothing


def target_word(target: Target) -> str:
    """What to count it as: the detector's own word where there is one, so that the answer shows what was understood."""
    return target.labels[0] if len(target.labels) == 1 else target.word


class _Named(Protocol):
    @property
    def label(self) -> str: ...

    @property
    def track_id(self) -> int | None: ...


def who(event: _Named, words: Vocabulary) -> str:
    """The object of an event: "person #3", or "a person" without a number."""
    label = event.label or "object"
    return words.one(label) if event.track_id is None else f"{words.singular(label)} #{event.track_id}"


def event_clause(event: LogEvent, words: Vocabulary, size_wh: tuple[int, int] = (0, 0)) -> str:
    """What happened: "a person appeared on the left (#3)", "person #3 crossed 'door' (in)".

    Args:
        event: what.
        words: for plurals and articles.
        size_wh: of the source's pictures, to say where in the picture; (0, 0) when not known.
    """
    number, name = tags([event.track_id]), who(event, words)
    match event.kind:
        case EventKind.APPEAR:
            return f"{words.one(event.label or 'object')} appeared{_where(event, size_wh)}{number}"
        case EventKind.VANISH:
            return f"{words.one(event.label or 'object')} was last seen{_where(event, size_wh)}{number}, then gone"
        case EventKind.LINE_CROSS:
            way = f" ({clean_text(event.direction, MAX_NAME_CHARS)})" if event.direction else ""
            return f"{name} crossed {quoted(event.line)}{way}"
        case EventKind.ZONE_ENTER:
            return f"{name} entered {quoted(event.zone)}"
        case EventKind.ZONE_LEAVE:
            stay = "" if event.value is None else f" after {duration(event.value)}"
            return f"{name} left {quoted(event.zone)}{stay}"
        case EventKind.DWELL:
            stay = "long" if event.value is None else f"for {duration(event.value)}"
            return f"{name} stayed in {quoted(event.zone)} {stay}"
        case EventKind.SPEED:
            speed = "" if event.value is None else f": {event.value * 3.6:.0f} km/h"
            return f"{name} was fast{speed}"
        case EventKind.SCENE_CHANGE:
            return "the scene changed"
        case EventKind.CODE | EventKind.TEXT:
            return f"the {event.kind.value} {quoted(event.text)} was read"
        case EventKind.MARK:
            return f"a mark was set: {quoted(event.text)}" if event.text else "a mark was set"
        case EventKind.CAPTION:
            return f"it was described as {quoted(event.text)}"
        case EventKind.GAP:
            return f"nothing was watched{'' if event.value is None else f' for {duration(event.value)}'}"


def _where(event: LogEvent, size_wh: tuple[int, int]) -> str:
    if event.xyxy is None or not all(size_wh):
        return ""
    x1, y1, x2, y2 = event.xyxy
    return f" {place(zone_of((x1 + x2) / 2 / size_wh[0], (y1 + y2) / 2 / size_wh[1]))}"
