"""Wording that descriptions and answers share: places, times, tracks and events in plain English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scenescope.app.assistant.words import Vocabulary
from scenescope.models.language import Evidence, media_time
from scenescope.pipelines.scene_state import SceneEvent, SceneEventKind, SceneState, SceneTrack

__all__ = [
    "EMPTY",
    "MAX_EVIDENCE",
    "Answer",
    "at_most",
    "capitalised",
    "clause_of",
    "duration",
    "evidence_of",
    "listed",
    "moment",
    "named",
    "place",
    "tags",
]

MAX_EVIDENCE = 4
MAX_IDS = 6
EMPTY = "Now nothing that the detector knows is in the picture."


@dataclass(frozen=True)
class Answer:
    """Words with where they can be checked and what to ask next; ``sure`` unless they say what they leave open."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    suggestions: tuple[str, ...] = ()
    sure: bool = True


def capitalised(text: str) -> str:
    """With a capital first letter, and the rest as it is."""
    return text[:1].upper() + text[1:]


def at_most(sentences: Sequence[str], limit: int) -> str:
    """Sentences in one line; of too many the first, and how many are left."""
    rest = len(sentences) - limit
    return " ".join(sentences if rest <= 0 else [*sentences[:limit], f"And {rest} more."])


def place(zone: str) -> str:
    """Where a zone is: "on the left", "at the top right", "in the centre"."""
    preposition = "in" if zone == "centre" else "on" if zone in ("left", "right") else "at"
    return f"{preposition} the {zone}"


def duration(seconds: float) -> str:
    """A length of time: "4.2 s", "1 min 5 s", "2 h 3 min"."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def moment(scene: SceneState, pts_s: float) -> str:
    """When something was: "at 0:12.4" in a file, "3.0 s ago" for a live picture."""
    return f"{duration(scene.pts_s - pts_s)} ago" if scene.live else f"at {media_time(pts_s)}"


def tags(track_ids: Iterable[int | None]) -> str:
    """The numbers of tracks in brackets, with a space before: " (#3, #5)"; "" without a tracker."""
    ids = [f"#{track_id}" for track_id in track_ids if track_id is not None]
    shown = ", ".join(ids[:MAX_IDS]) + (", …" if len(ids) > MAX_IDS else "")
    return f" ({shown})" if shown else ""


def named(track: SceneTrack, words: Vocabulary) -> str:
    """One track: "person #3", or "a person" without a tracker."""
    return words.one(track.label) if track.track_id is None else f"{words.singular(track.label)} #{track.track_id}"


def listed(tracks: Iterable[SceneTrack], words: Vocabulary) -> str:
    """Tracks by number and label: "2 people and 1 cup"."""
    return words.counts(Counter(track.label for track in tracks).most_common())


def evidence_of(tracks: Iterable[SceneTrack]) -> tuple[Evidence, ...]:
    """Where tracks were last seen."""
    seen = [Evidence(track.last_frame, track.last_s, track.track_id) for track in tracks]
    return tuple(dict.fromkeys(seen))[:MAX_EVIDENCE]


def clause_of(event: SceneEvent, words: Vocabulary) -> str:
    """One event: "a person appeared on the left (#3)"."""
    match event.kind:
        case SceneEventKind.APPEARED:
            return f"{words.one(event.label)} appeared {place(event.zone)}{tags([event.track_id])}"
        case SceneEventKind.VANISHED:
            return f"{words.one(event.label)} was last seen {place(event.zone)}{tags([event.track_id])}, then gone"
        case SceneEventKind.RENAMED:
            what = f"{words.one(event.label)}, not {words.one(event.was)}"
            return f"the detector changed its mind: {what}{tags([event.track_id])}"
        case SceneEventKind.JUMPED:
            return "the picture jumped here"
        case SceneEventKind.BLIND:
            return "no stage reported objects any more"
