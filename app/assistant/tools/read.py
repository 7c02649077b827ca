"""Tools that look things up. Whatever they give may hold words from pictures, files and the past."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from scenescope.app.assistant.tools.act import Colour, classes_of
from scenescope.app.assistant.tools.edit import Labels
from scenescope.app.assistant.tools.host import Host, zones_of
from scenescope.app.assistant.tools.plan import AppTool, NoArgs, Plan, ToolArgs, planned_tool
from scenescope.app.assistant.words import joined
from scenescope.models import AssistantError, EventKind, LogEvent
from scenescope.models.language import Evidence, Risk, ToolResult, media_time
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.spec_diff import stage_title

if TYPE_CHECKING:
    from scenescope.app.assistant.knowledge import Knowledge, Seen, Span

__all__ = ["Look", "read_tools"]

Look = Callable[[str, float], ToolResult]
"""Answers a question by looking at pictures, those of so many seconds back included."""

DAY_S = 86_400.0
MOST_LOOK_BACK_S = 30.0
MAX_TEXT_CHARS = 160
MAX_PARAM_CHARS = 80
# What they say was read or seen in pictures. A mark holds what a model said to the question of a watch.
SEEN_KINDS = (EventKind.CODE, EventKind.TEXT, EventKind.MARK, EventKind.CAPTION)
WITHHELD = {"withheld": "Words that were read or seen in pictures: the user does not let them leave this computer."}
MOST_EVIDENCE = 20

Places = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=60)], ...], Field(max_length=20)]
Time = Annotated[float | None, Field(ge=0, le=10 * DAY_S)]


class _Spanned(ToolArgs):
    last_s: Annotated[Time, Field(description="Only the last so many seconds.")] = None
    start_s: Annotated[Time, Field(description="Only from this media time on, in seconds.")] = None
    end_s: Annotated[Time, Field(description="Only before this media time, in seconds.")] = None


class CountEvents(_Spanned):
    kinds: Annotated[tuple[EventKind, ...], Field(min_length=1, max_length=13, description="What happened.")]
    labels: Labels = ()
    zones: Annotated[Places, Field(description="Only in these zones.")] = ()
    lines: Annotated[Places, Field(description="Only over these lines.")] = ()
    directions: Annotated[Places, Field(description="Only in these directions, such as in or out.")] = ()


class WhenSeen(_Spanned):
    labels: Labels = ()
    colour: Colour = ""


class SearchEvents(_Spanned):
    text: Annotated[str, Field(max_length=200, description="Words to look for; empty lists the newest events.")] = ""
    kinds: Annotated[tuple[EventKind, ...], Field(max_length=13, description="Without a text: only these.")] = ()
    labels: Labels = ()
    zones: Annotated[Places, Field(description="Without a text: only in these zones.")] = ()
    lines: Annotated[Places, Field(description="Without a text: only over these lines.")] = ()
    limit: Annotated[int, Field(ge=1, le=20, description="At most so many.")] = 5


class LookAt(ToolArgs):
    question: Annotated[str, Field(min_length=1, max_length=300, description="What to find out by looking.")]
    seconds_back: Annotated[
        float, Field(ge=0, le=MOST_LOOK_BACK_S, description="Look at the pictures since then too.")
    ] = 0.0


def read_tools(host: Host, knowledge: Knowledge, look: Look | None) -> list[AppTool[Any]]:
    """The tools that change nothing; one that looks at pictures only where ``look`` does."""
    registry = host.registry

    def scene_now(_: NoArgs) -> ToolResult:
        scene = knowledge.scene
        seen = [Evidence(track.last_frame, track.last_s, track.track_id) for track in scene.tracks]
        there = ", ".join(f"{number} {clean_text(label)}" for label, number in scene.counts.items()) or "no objects"
        text = f"At {media_time(scene.pts_s)}: {there}." if scene.watching else "No stage reports objects."
        return ToolResult(json.loads(scene.to_json()), text, tuple(seen[:MOST_EVIDENCE]))

    def count(args: CountEvents) -> ToolResult:
        knowledge.flush()
        span = _span(knowledge, args)
        found = knowledge.count(
            args.kinds, span, classes_of(knowledge, args.labels), args.zones, args.lines, args.directions
        )
        by_direction = {clean_text(word, 60): number for word, number in found.by_direction.items()}
        value = {"events": found.events, "objects": found.objects, "by_direction": by_direction, "span": span.words}
        if args.labels:
            value["labels"] = _clean(classes_of(knowledge, args.labels))
        ways = "".join(f", {number} {word}" for word, number in by_direction.items())
        text = f"{found.events} events of {found.objects} objects {span.words}{ways}."
        return ToolResult(value, text, tuple(found.evidence)[:MOST_EVIDENCE])

    def seen(ask: Callable[..., Seen | None], word: str) -> Callable[[WhenSeen], ToolResult]:
        def run(args: WhenSeen) -> ToolResult:
            knowledge.flush()
            labels = classes_of(knowledge, args.labels)
            found = ask(labels, args.colour, _span(knowledge, args))
            what = f"{args.colour} {' or '.join(clean_text(label) for label in labels) or 'object'}".strip()
            unknown = knowledge.without_colour(labels, _span(knowledge, args)) if args.colour else 0
            doubt = {"objects_of_unknown_colour": unknown} if unknown else {}
            if found is None:
                return ToolResult({"seen": False, **doubt}, f"Not seen: {what}.")
            at, label = found.evidence, clean_text(found.label)
            value = {**doubt, "seen": True, "label": label, "t_s": round(at.pts_s, 2), "time": media_time(at.pts_s),
                     "frame": at.frame_index, "track": at.track_id, "since_start": found.since_start}  # fmt: skip
            return ToolResult(value, f"{label}, {word} seen at {media_time(at.pts_s)}.", (at,))

        return run

    def search(args: SearchEvents) -> ToolResult:
        knowledge.flush()
        if args.text.strip():
            hits = knowledge.search(args.text, args.limit)
            rows = [
                {"t_s": round(hit.t_s, 2), "time": media_time(hit.t_s), "label": clean_text(hit.label or "-"),
                 "text": clean_text(hit.text or "-", MAX_TEXT_CHARS), "track": hit.track_id}
                for hit in hits
            ]  # fmt: skip
            evidence = [knowledge.evidence_at(hit.frame, hit.t_s, hit.track_id, hit.event_id) for hit in hits]
            seen = [hit.text for hit in hits if hit.text]
            # That a text was found says what is in it.
            without = [row for row, hit in zip(rows, hits, strict=True) if not hit.text]
        else:
            events = knowledge.events(
                _span(knowledge, args), args.kinds, classes_of(knowledge, args.labels), args.zones, args.lines,
                limit=args.limit, newest_first=True,
            )  # fmt: skip
            rows = [_event_row(event) for event in events]
            evidence = [knowledge.evidence(event) for event in events]
            seen = [event.text for event in events if event.text and event.kind in SEEN_KINDS]
            without = [
                {name: value for name, value in row.items() if name != "text" or event.kind not in SEEN_KINDS}
                for row, event in zip(rows, events, strict=True)
            ]
        found = ToolResult(rows, f"Found {len(rows)} events.", tuple(evidence))
        return replace(found, seen="\n".join(seen), without=[*without, WITHHELD]) if seen else found

    def zones(_: NoArgs) -> ToolResult:
        drawn = zones_of(host.spec)
        value = {
            "zones": [{"name": clean_text(zone.name, 60), "labels": _clean(zone.labels)} for zone in drawn.zones],
            "lines": [
                {"name": clean_text(line.name, 60), "directions": _clean((line.forward, line.backward)),
                 "labels": _clean(line.labels)}
                for line in drawn.lines
            ],
        }  # fmt: skip
        names = joined([f"'{clean_text(name, 60)}'" for name in drawn.names])
        return ToolResult(value, f"Drawn: {names}." if names else "No zone or line is drawn.")

    def stages(_: NoArgs) -> ToolResult:
        spec = host.spec
        value = [
            {"id": stage.id[:80], "kind": clean_text(stage.kind), "title": stage_title(stage.kind, registry),
             "enabled": stage.enabled, "params": _params(stage.params)}
            for stage in spec.stages[:60]
        ]  # fmt: skip
        titles = joined([f"{row['title']}{'' if row['enabled'] else ' (off)'}" for row in value])
        return ToolResult(value, f"The pipeline: {titles}." if titles else "The pipeline has no stages.")

    def watches(_: NoArgs) -> ToolResult:
        rules = host.watches.rules if host.watches is not None else ()
        value = [
            {"name": clean_text(rule.name, 60), "rule": clean_text(rule.sentence, 200), "enabled": rule.enabled}
            for rule in rules
        ]
        return ToolResult(value, f"There are {len(value)} watches." if value else "Nothing is watched for.")

    spanned = "Media times in seconds."
    tools = [
        _reader("scene_now", "What is in the picture now: time, counts, objects, latest events.", NoArgs, scene_now,
                ("what do you see?",)),
        _reader("count_events", f"How often something happened, and with how many different objects. {spanned}",
                CountEvents, count, ("how many [people] crossed the line in the last minute?",)),
        _reader("first_seen", f"When an object of some classes was first seen. {spanned}", WhenSeen,
                seen(knowledge.first_seen, "first"), ("when did the [car] appear?",)),
        _reader("last_seen", f"When an object of some classes was last seen. {spanned}", WhenSeen,
                seen(knowledge.last_seen, "last"), ("when was the [dog] last seen?",)),
        _reader("search_events", f"Find what happened by its words, or list the newest events. {spanned}",
                SearchEvents, search, ("what just happened?",)),
        _reader("list_zones", "Zones and lines that are drawn on the picture.", NoArgs, zones, ("list the zones",)),
        _reader("list_stages", "The stages of the pipeline with their ids.", NoArgs, stages, ("list the stages",)),
        _reader("list_watches", "What is watched for.", NoArgs, watches, ("list the watches",)),
    ]  # fmt: skip
    if look is not None:
        tools.append(
            _reader("look", "Have a model look at the picture and answer a question about it.", LookAt,
                    lambda args: look(args.question, args.seconds_back), ("what is written on the sign?",))
        )  # fmt: skip
    return tools


def _reader(
    name: str, description: str, args: type[Any], run: Callable[[Any], ToolResult], phrases: tuple[str, ...]
) -> AppTool[Any]:
    title = name.replace("_", " ").capitalize()
    return planned_tool(
        name, description, args, Risk.READ, lambda values: Plan(title, lambda: run(values), Risk.READ), phrases
    )


def _span(knowledge: Knowledge, args: _Spanned) -> Span:
    if args.start_s is not None and args.end_s is not None and args.end_s <= args.start_s:
        raise AssistantError("The time ends before it begins.")
    return knowledge.span(last_s=args.last_s, start_s=args.start_s, end_s=args.end_s)


def _event_row(event: LogEvent) -> dict[str, Any]:
    named = {"label": event.label, "zone": event.zone, "line": event.line, "direction": event.direction}
    row: dict[str, Any] = {"t_s": round(event.t_s, 2), "time": media_time(event.t_s), "what": event.kind.value}
    row |= {key: clean_text(value, 60) for key, value in named.items() if value}
    if event.text:
        row["text"] = clean_text(event.text, MAX_TEXT_CHARS)
    if event.track_id is not None:
        row["track"] = event.track_id
    if event.value is not None:
        row["value"] = round(event.value, 2)
    return row


def _params(params: dict[str, Any]) -> dict[str, str]:
    return {clean_text(key, 60): clean_text(repr(value)[: 8 * MAX_PARAM_CHARS], MAX_PARAM_CHARS)
            for key, value in list(params.items())[:20]}  # fmt: skip


def _clean(words: tuple[str, ...]) -> list[str]:
    return [clean_text(word, 60) for word in words]
