"""SceneState: what is known of the scene at one moment. Immutable, and small as JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

__all__ = ["LabelMemory", "SceneEvent", "SceneEventKind", "SceneState", "SceneTrack", "clean_text", "zone_of"]

MAX_LABEL_CHARS = 40
MAX_SOURCE_CHARS = 80
JSON_EVENTS = 10
JSON_COUNTS = 20

_ROWS = ("top", "", "bottom")
_COLUMNS = ("left", "", "right")


@lru_cache(maxsize=4096)
def clean_text(text: str, max_chars: int = MAX_LABEL_CHARS) -> str:
    """A name that came from outside (a model file, a plugin, a file name) as one short printable line.

    Control and formatting characters go, among them those that turn the writing direction; underscores become spaces.
    """
    spaced = re.sub(r"[\s_]+", " ", text[: 8 * max_chars])
    printable = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
    line = " ".join(printable.split())
    return (line if len(line) <= max_chars else line[: max_chars - 1] + "…") or "?"


def zone_of(x: float, y: float) -> str:
    """The ninth of the picture that holds a point, in words: "top left", "right", "centre".

    Args:
        x: fraction of the width, from the left.
        y: fraction of the height, from the top.
    """
    row, column = _ROWS[min(max(int(y * 3), 0), 2)], _COLUMNS[min(max(int(x * 3), 0), 2)]
    return f"{row} {column}".strip() or "centre"


class SceneEventKind(StrEnum):
    """What can happen to a scene."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    RENAMED = "renamed"
    """The detector has changed its mind about what a track shows."""
    JUMPED = "jumped"
    """Playback went elsewhere, or the picture came back after a gap: nothing is known of the time between."""
    BLIND = "blind"
    """No stage reports objects any more."""


@dataclass(frozen=True)
class SceneEvent:
    """Something that happened.

    ``pts_s`` and ``frame_index`` say when it happened, not when it became certain: an object appeared when it was first
    seen, and vanished when it was last seen. ``was`` is the former label of a renamed track.
    """

    kind: SceneEventKind
    pts_s: float
    frame_index: int
    label: str = ""
    track_id: int | None = None
    zone: str = ""
    was: str = ""


@dataclass(frozen=True)
class SceneTrack:
    """One object. Times are media time; ``last_s`` is earlier than the scene's time while it is briefly out of sight.

    Attributes:
        track_id: the tracker's number, None when there is only a detector.
        label, confidence: what it is taken for, and how surely (0..1).
        zone: where its centre is, as :func:`zone_of` says it.
        age_s: for how long it has been seen.
        motion: "still", "moving left" (or right, up, down, closer, away), or "" when not known.
        colour: name of the colour that covers most of it, "" when not known. A rough guess.
        xyxy: its box as fractions of width and height.
        inside: names of the user's zones that it is in, as a stage with zones says.
    """

    track_id: int | None
    label: str
    confidence: float
    zone: str
    age_s: float
    motion: str
    colour: str
    first_s: float
    first_frame: int
    last_s: float
    last_frame: int
    xyxy: tuple[float, float, float, float]
    inside: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelMemory:
    """When objects of one label were first and last seen since the source was opened, and by which track."""

    first_s: float
    first_frame: int
    first_track_id: int | None
    last_s: float
    last_frame: int
    last_track_id: int | None


@dataclass(frozen=True)
class SceneState:
    """The scene at one moment.

    Attributes:
        source: name of the source; ``live`` for a camera or a stream.
        session: counts the sources that were opened.
        pts_s, frame_index: the moment. Media time; for live sources, seconds since the source opened.
        began_s: when the first report on the objects of this source came.
        since_s: since when it has been watched without a jump or a gap.
        watching: True while a stage reports objects.
        known_labels: what the detector can tell apart.
        tracks: the objects that are there, by number.
        counts: how many of each label, most first.
        events: the latest that happened, oldest first; ``event_count`` numbers the last one, from the first of all.
        memory: by label, when it was first and last seen.
        gone: the latest tracks that have vanished, oldest first.
        captured_s: when the picture was captured, on the monotonic clock; None when not known.
    """

    source: str = ""
    live: bool = False
    session: int = 0
    pts_s: float = 0.0
    frame_index: int = -1
    began_s: float = 0.0
    since_s: float = 0.0
    watching: bool = False
    known_labels: tuple[str, ...] = ()
    tracks: tuple[SceneTrack, ...] = ()
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    events: tuple[SceneEvent, ...] = ()
    event_count: int = 0
    memory: Mapping[str, LabelMemory] = field(default_factory=lambda: MappingProxyType({}))
    gone: tuple[SceneTrack, ...] = ()
    captured_s: float | None = None

    def events_after(self, number: int) -> tuple[SceneEvent, ...]:
        """Those of the kept events that came after event ``number``."""
        fresh = min(max(self.event_count - number, 0), len(self.events))
        return self.events[len(self.events) - fresh :]

    def to_json(self, max_bytes: int = 2048) -> str:
        """The scene for a prompt, at most ``max_bytes`` (from 1,024) long in UTF-8.

        Numbers are exact whatever has to be left out: ``total`` and ``tracks_left_out`` say what is missing. The
        rarest labels, the oldest events and the least certain tracks are left out first.
        """
        common = dict(Counter(self.counts).most_common(JSON_COUNTS))
        content: dict[str, Any] = {
            "time_s": round(self.pts_s, 2),
            "frame": self.frame_index,
            "source": self.source,
            "live": self.live,
            "watching": self.watching,
            "total": sum(self.counts.values()),
            "counts": common,
            "labels_left_out": len(self.counts) - len(common),
            "events": [],
            "tracks": [],
            "tracks_left_out": len(self.tracks),
        }
        while common and _size(content) > max_bytes // 2:
            common.popitem()
            content["labels_left_out"] += 1
        # Events may take half of what is left, tracks take the rest.
        room = (_size(content) + max_bytes) // 2
        for event in reversed(self.events[-JSON_EVENTS:]):
            content["events"].insert(0, _event_json(event))
            if _size(content) > room:
                content["events"].pop(0)
                break
        size = _size(content)
        for track in sorted(self.tracks, key=lambda t: -t.confidence):
            entry = _track_json(track)
            size += _size(entry) + 1
            if size > max_bytes:
                break
            content["tracks"].append(entry)
        content["tracks_left_out"] = len(self.tracks) - len(content["tracks"])
        return _dumps(content)


def _event_json(event: SceneEvent) -> dict[str, Any]:
    named = {"label": event.label, "id": event.track_id, "zone": event.zone, "was": event.was}
    known = {key: value for key, value in named.items() if value not in ("", None)}
    return {"time_s": round(event.pts_s, 2), "what": event.kind.value, **known}


def _track_json(track: SceneTrack) -> dict[str, Any]:
    return {
        "id": track.track_id,
        "label": track.label,
        "confidence": round(track.confidence, 2),
        "zone": track.zone,
        "age_s": round(track.age_s, 1),
        "motion": track.motion,
        "colour": track.colour,
    }


def _dumps(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _size(content: Any) -> int:
    return len(_dumps(content).encode())
