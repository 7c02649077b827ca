"""What has changed in a scene since it was last described, in words made by rule."""

from __future__ import annotations

from collections.abc import Sequence

from scenescope.app.assistant.log_phrases import event_clause
from scenescope.app.assistant.phrases import (
    EMPTY,
    MAX_EVIDENCE,
    Answer,
    capitalised,
    clause_of,
    evidence_of,
    place,
    tags,
)
from scenescope.app.assistant.words import Vocabulary
from scenescope.models import LogEvent
from scenescope.models.language import Evidence, media_time
from scenescope.pipelines.scene_state import SceneEvent, SceneEventKind, SceneState

__all__ = ["describe"]

MAX_SENTENCES = 6
BLIND = "No stage reports objects any more, so I do not know what is in the picture."


def describe(
    before: SceneState | None, now: SceneState, words: Vocabulary, happened: Sequence[LogEvent] = ()
) -> Answer | None:
    """What has changed since a scene was described.

    Args:
        before: the scene as it was described last; None, or one of another source, for a first description.
        now: the scene.
        words: for plurals and articles.
        happened: what the event log has besides: crossings, zones that were entered and left.

    Returns:
        The description, or None when nothing has changed.
    """
    known = before is not None and before.session == now.session and before.watching
    if not now.watching:
        return Answer(BLIND, (Evidence(now.frame_index, now.pts_s),)) if known else None
    total = f"Now: {words.counts(now.counts.items())}." if now.tracks else EMPTY
    if before is None or not known:
        return Answer(total, evidence_of(now.tracks))
    events = now.events_after(before.event_count)
    if not events and not happened:
        return None
    breaks = [event for event in events if event.kind in (SceneEventKind.JUMPED, SceneEventKind.BLIND)]
    if breaks:
        start = "The picture came back." if now.live else f"The picture jumped to {media_time(breaks[-1].pts_s)}."
        return Answer(f"{start} {total}", evidence_of(now.tracks))
    sentences = [*_changes(events, words), *(f"{capitalised(event_clause(event, words))}." for event in happened)]
    missed = now.event_count - before.event_count - len(events)
    rest = len(sentences) - MAX_SENTENCES
    if missed > 0 or rest > 0:
        sentences = [*sentences[:MAX_SENTENCES], "And more."]
    seen = [Evidence(event.frame_index, event.pts_s, event.track_id) for event in events]
    seen += [Evidence(event.frame, event.t_s, event.track_id, event.id) for event in happened]
    evidence = dict.fromkeys(sorted(seen, key=lambda one: one.pts_s) if happened else seen)
    return Answer(" ".join([*sentences, total]), tuple(evidence)[-MAX_EVIDENCE:])


def _changes(events: Sequence[SceneEvent], words: Vocabulary) -> list[str]:
    """One sentence for all that appeared under one label, one for all that went, and so on."""
    came = [event for event in events if event.kind is SceneEventKind.APPEARED]
    went = [event for event in events if event.kind is SceneEventKind.VANISHED]
    # What came and went in between is news too, but must not sound as if it were still there.
    left_ids = {event.track_id for event in went} - {None}
    passed = [event for event in came if event.track_id in left_ids]
    passed_ids = {event.track_id for event in passed}
    stayed = [event for event in came if event.track_id not in left_ids]
    gone = [event for event in went if event.track_id not in passed_ids]
    return [
        *(_sentence(group, "appeared", words, group[0].zone) for group in _by_label(stayed)),
        *(_sentence(group, "came and went", words) for group in _by_label(passed)),
        *(f"{capitalised(clause_of(event, words))}." for event in events if event.kind is SceneEventKind.RENAMED),
        *(_sentence(group, "is gone" if len(group) == 1 else "are gone", words) for group in _by_label(gone)),
    ]


def _by_label(events: Sequence[SceneEvent]) -> list[list[SceneEvent]]:
    labels = dict.fromkeys(event.label for event in events)
    return [[event for event in events if event.label == label] for label in labels]


def _sentence(group: Sequence[SceneEvent], verb: str, words: Vocabulary, zone: str = "") -> str:
    """As in "A person appeared on the left (#3)." The zone is named when all share it."""
    label = group[0].label
    what = words.one(label) if len(group) == 1 else words.counted(len(group), label)
    where = f" {place(zone)}" if zone and all(event.zone == zone for event in group) else ""
    return f"{capitalised(what)} {verb}{where}{tags(event.track_id for event in group)}."
