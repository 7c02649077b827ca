"""Calls that do not go together: each order is worked out for things as they are before any of them is carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from scenescope.app.assistant.orders_names import Args, OrderContext

__all__ = ["at_odds"]

Call = tuple[str, Args]

# Of these there may be several in one order, as long as no two are the same.
_REPEATED = ("add_stage", "add_watch", "seek")
_TRACKING = ("track", "track_one", "detect")


def at_odds(calls: Sequence[Call], context: OrderContext) -> bool:
    """Whether two calls of one order repeat or contradict each other, or may mean the same stage."""
    kinds = {stage.id: stage.kind for stage in context.spec.stages}
    return any(
        _same(one, other) or _clash(one, other, kinds) or _clash(other, one, kinds)
        for one, other in combinations(calls, 2)
    )


def _same(one: Call, other: Call) -> bool:
    (tool, args), (second, more) = one, other
    if tool != second:
        return False
    if tool == "seek":
        return args == more or (args["relative_s"] is None and more["relative_s"] is None)
    return args == more or (
        tool not in _REPEATED and all(args.get(name) == more.get(name) for name in ("stage_id", "name"))
    )


def _clash(one: Call, other: Call, kinds: Mapping[str, str]) -> bool:
    (tool, args), (second, more) = one, other
    touched = {more[name] for name in ("stage_id", "before", "after") if more.get(name)}
    touched_kinds = {kinds.get(stage_id) for stage_id in touched}
    places = {more["rule"]["zone"], more["rule"]["line"]} - {""} if second == "add_watch" else set()
    match tool:
        case "add_stage":
            shown = args["kind"] == "redact" and second == "blur_faces" and not more["on"]
            return shown or args["kind"] in touched_kinds
        case "blur_faces":
            return "redact" in touched_kinds
        case "remove_stage":
            drawn = kinds.get(args["stage_id"]) == "zones" and (second == "clear_zone" or bool(places))
            return drawn or args["stage_id"] in touched
        case "track_class":
            dropped = second == "remove_stage" or (second == "set_stage_enabled" and not more["enabled"])
            return dropped and not touched_kinds.isdisjoint(_TRACKING)
        case "start_recording":
            return second == "stop_recording"
        case "remove_watch":
            return second == "set_watch" and args["name"] == more["name"]
        case "clear_zone":
            return args["name"] in places
    return False
