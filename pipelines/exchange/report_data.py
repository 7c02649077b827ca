"""What a report tells, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scenescope.models.log_events import EventKind, LogEvent

__all__ = [
    "MOST_PLOT_ROWS",
    "ClassCount",
    "PassageCount",
    "Picture",
    "Plot",
    "PlotRow",
    "ReportData",
    "clock",
    "passages",
    "plot_of",
]

PLOT_BINS = 120
MOST_PLOT_ROWS = 12


@dataclass(frozen=True)
class ClassCount:
    """A class: objects found in all frames together, at most at once, and tracks; None where it is not known."""

    label: str
    detections: int | None
    most_at_once: int | None
    tracks: int


@dataclass(frozen=True)
class PassageCount:
    """How often a class crossed a line in a direction, or entered and left a zone."""

    place: str
    what: str
    label: str
    count: int


@dataclass(frozen=True)
class Picture:
    """A JPEG with its words."""

    title: str
    detail: str
    jpeg: bytes


@dataclass(frozen=True)
class PlotRow:
    """A value for every bin of time; ``highest`` is the value that fills the row."""

    label: str
    values: tuple[float, ...]
    highest: float


@dataclass(frozen=True)
class Plot:
    """Rows over the same time."""

    title: str
    unit: str
    start_s: float
    end_s: float
    rows: tuple[PlotRow, ...]
    left_out: int = 0


@dataclass(frozen=True)
class ReportData:
    """All that a report shows.

    Attributes:
        title: of the page.
        facts: about the source and the run, as names and values.
        stages: of the pipeline, as titles and settings.
        events: those that are listed, in the order of time; ``event_count`` says how many there are.
        gallery: best pictures of tracks; ``track_count`` says how many tracks there are.
        timings: names and milliseconds for a frame.
        warnings: what went wrong, as sentences.
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    stages: tuple[tuple[str, str], ...] = ()
    classes: tuple[ClassCount, ...] = ()
    passages: tuple[PassageCount, ...] = ()
    plots: tuple[Plot, ...] = ()
    samples: tuple[Picture, ...] = ()
    gallery: tuple[Picture, ...] = ()
    track_count: int = 0
    events: tuple[LogEvent, ...] = ()
    event_count: int = 0
    timings: tuple[tuple[str, float], ...] = ()
    warnings: tuple[str, ...] = ()


def clock(t_s: float) -> str:
    """A time as ``1:02:03.450``."""
    sign = "-" if t_s < 0 else ""
    milliseconds = round(abs(t_s) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{sign}{hours}:{minutes:02d}:{seconds}" if hours else f"{sign}{minutes}:{seconds}"


def plot_of(title: str, unit: str, times: Mapping[str, Sequence[float]], span_s: tuple[float, float]) -> Plot:
    """How often something happened when: one row for each name, those with most first.

    Args:
        title: of the plot.
        unit: what a value is, for people.
        times: of what happened, by name.
        span_s: from when to when.
    """
    start_s, end_s = span_s[0], max(span_s[1], span_s[0] + 1e-3)
    edges = np.linspace(start_s, end_s, PLOT_BINS + 1)
    rows = []
    for name in sorted(times, key=lambda name: (-len(times[name]), name))[:MOST_PLOT_ROWS]:
        counts, _ = np.histogram(np.clip(times[name], start_s, end_s), edges)
        rows.append(PlotRow(name, tuple(counts.astype(float).tolist()), float(counts.max())))
    return Plot(title, unit, start_s, end_s, tuple(rows), len(times) - len(rows))


def passages(events: Sequence[LogEvent]) -> tuple[PassageCount, ...]:
    """Line crossings and zone visits, counted by class and direction, in alphabetical order."""
    counts: dict[tuple[str, str, str], int] = {}
    for event in events:
        if event.kind is EventKind.LINE_CROSS:
            key = f"Line {event.line}", event.direction, event.label
        elif event.kind in (EventKind.ZONE_ENTER, EventKind.ZONE_LEAVE):
            what = "entered" if event.kind is EventKind.ZONE_ENTER else "left"
            key = f"Zone {event.zone}", what, event.label
        else:
            continue
        counts[key] = counts.get(key, 0) + 1
    return tuple(PassageCount(*key, count) for key, count in sorted(counts.items()))
