"""Orders that change the pipeline: stages on and off, added, removed, moved; classes to track; faces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from scenescope.app.assistant.orders_names import (
    Args,
    Order,
    OrderContext,
    Unclear,
    bare,
    find_kind,
    find_labels,
    find_named,
    find_stage,
    find_stages,
    is_drawn_or_watch,
    list_of,
    stage_name,
    zone_word,
)
from scenescope.app.assistant.orders_words import lexicon, plain
from scenescope.app.assistant.words import joined

__all__ = ["HANDLERS", "variant"]

Reading = Order | Unclear | None
Handler = Callable[[Mapping[str, str], OrderContext], Reading]

_BESIDE = re.compile(
    r"(?P<what>.+?) (?:(?:right|directly|just|straight|somewhere) )?"
    r"(?P<where>before|after|in front of|behind|ahead of|above|below|following) (?P<anchor>.+)"
)
_AT_END = re.compile(
    r"(?P<what>.+?) (?:(?:at|to|on|in) the (?P<place>very end|end|bottom|back|very beginning|beginning|start|top|front"
    r"|very start)(?: of the (?:pipeline|list|chain))?|(?P<bare>first|last)|to (?P<to>first|last)(?: place| position)?)"
)
_STEP = re.compile(
    r"(?P<what>.+?) (?:one )?(?:(?:step|place|position) )?(?P<way>up|down|earlier|later)(?: by one| one)?"
)
_BEFORE = frozenset({"before", "in front of", "ahead of", "above"})
# Names of stages that are also what is seen in the picture.
_IN_PICTURE = frozenset({"objects", "faces", "hands", "gestures", "background", "qr codes", "barcodes"})
# "Stop telling me when a dog appears" is about no stage.
_DOING = re.compile(
    r"(?:telling|alerting|warning|notifying|informing|pinging|messaging|watching|looking|recording|blurring|hiding"
    r"|highlighting|playing)\b"
)
_FRONT = frozenset({"very beginning", "beginning", "start", "very start", "top", "front", "first"})


def _switch(slots: Mapping[str, str], context: OrderContext, enabled: bool) -> Reading:
    phrase = slots["stage"]
    if (is_drawn_or_watch(phrase) or _DOING.match(phrase)) and not find_stages(phrase, context):
        return None
    verb = "Enable" if enabled else "Disable"
    calls: list[tuple[str, Args]] = []
    names = []
    for part in [phrase] if find_stages(phrase, context) else list_of(phrase):
        stage = find_stage(part, context, f"{verb} {{}}", enabled=not enabled)
        if isinstance(stage, Unclear):
            return stage
        calls.append(("set_stage_enabled", {"stage_id": stage.id, "enabled": enabled}))
        names.append(stage_name(stage, context))
    return Order(tuple(calls), f"{verb} {joined(names)}")


def _placed(phrase: str) -> tuple[str, str, str]:
    """What, and where: ("tracker", "before", "detector"), ("tracker", "first", ""), ("tracker", "", "")."""
    if at_end := _AT_END.fullmatch(phrase):
        place = at_end["place"] or at_end["bare"] or at_end["to"]
        return at_end["what"], "first" if place in _FRONT else "last", ""
    if beside := _BESIDE.fullmatch(phrase):
        return beside["what"], "before" if beside["where"] in _BEFORE else "after", beside["anchor"]
    return phrase, "", ""


def _add(slots: Mapping[str, str], context: OrderContext) -> Reading:
    whole = find_kind(slots["what"], context)
    what, where, anchor = _placed(slots["what"]) if isinstance(whole, Unclear) else (slots["what"], "", "")
    what = re.sub(r" (?:to|into|in) the (?:pipeline|list|stages|chain)$", "", what)
    tail = f" {where} {anchor}" if anchor else {"first": " at the start", "last": " at the end"}.get(where, "")
    if not isinstance(find_kind(what, context), Unclear) or len(list_of(what)) == 1:
        parts = [what]
    else:
        parts = list_of(what)
        if where and len(parts) > 1:
            return Unclear("One place for several stages is not clear; add them one by one.")
    calls: list[tuple[str, Args]] = []
    names = []
    for part in parts:
        found = find_kind(part, context, f"Add {{}}{tail}")
        if isinstance(found, Unclear):
            return found
        before = after = None
        if anchor:
            beside = find_stage(anchor, context, f"Add {context.kinds[found[0]].title} {where} {{}}")
            if isinstance(beside, Unclear):
                return beside
            before, after = (beside.id, None) if where == "before" else (None, beside.id)
        elif where == "first" and context.spec.stages:
            before = context.spec.stages[0].id
        calls.append(("add_stage", {"kind": found[0], "before": before, "after": after, "params": found[1]}))
        names.append(context.kinds[found[0]].title)
    return Order(tuple(calls), f"Add {joined(names)}{tail}")


def variant(at: int, context: OrderContext) -> Reading:
    """An order that adds a stage without calling it one: "mirror the picture"."""
    entry = lexicon().variants[at]
    kind, params = entry["kind"], dict(entry.get("params", {}))
    if kind not in context.kinds:
        return None
    title = context.kinds[kind].title
    there = [stage for stage in context.spec.stages if stage.kind == kind]
    if there:
        enable = tuple(f"Enable {stage_name(stage, context)}" for stage in there if not stage.enabled)
        says = f"The pipeline has a stage {title} already. Shall there be another one?"
        return Unclear(says, (*enable, f"Add {title}"))
    return Order((("add_stage", {"kind": kind, "before": None, "after": None, "params": params}),), f"Add {title}")


def _move(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """A stage that is there goes to another place."""
    phrase = slots["what"]
    to = None
    if step := _STEP.fullmatch(phrase):
        what, where, anchor = step["what"], "", ""
        to = "up" if step["way"] in ("up", "earlier") else "down"
    else:
        what, where, anchor = _placed(phrase)
        to = where if where in ("first", "last") else None
    if not where and to is None:
        return None
    place = f"{where} {anchor}" if anchor else f"to {to}" if to in ("first", "last") else str(to)
    stage = find_stage(what, context, f"Move {{}} {place}")
    if isinstance(stage, Unclear):
        return stage
    args: Args = {"stage_id": stage.id, "before": None, "after": None, "to": to}
    name = stage_name(stage, context)
    if anchor:
        beside = find_stage(anchor, context, f"Move {name} {where} {{}}")
        if isinstance(beside, Unclear):
            return beside
        if beside.id == stage.id:
            return Unclear(f"{name} cannot stand {where} itself.")
        args[where] = beside.id
        place = f"{where} {stage_name(beside, context)}"
    return Order((("move_stage", args),), f"Move {name} {place}")


def _put(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """A stage that is there is moved, one that is not is added."""
    what, where, _ = _placed(slots["what"])
    return _add(slots, context) if where and not find_stages(what, context) else _move(slots, context)


def _remove(slots: Mapping[str, str], context: OrderContext) -> Reading:
    phrase = slots["thing"]
    found = find_stages(phrase, context)
    drawn = (find_named(phrase, context.zones.zones, "zone"), find_named(phrase, context.zones.lines, "line"))
    if not found and (is_drawn_or_watch(phrase) or any(isinstance(name, str) for name in drawn)):
        return None
    parts = [phrase] if found else list_of(phrase)
    calls: list[tuple[str, Args]] = []
    names = []
    for part in parts:
        stage = find_stage(part, context, "Remove {}")
        if isinstance(stage, Unclear):
            return stage
        if bare(part) in _IN_PICTURE:
            name = stage_name(stage, context)
            return Unclear(f"The stage {name}, or what is in the picture?", (f"Remove {name}", f"Blur {bare(part)}"))
        calls.append(("remove_stage", {"stage_id": stage.id}))
        names.append(stage_name(stage, context))
    return Order(tuple(calls), f"Remove {joined(names)}")


def _clear_zone(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """A zone or a line; where the words may name one of each, the one that is called exactly so."""
    phrase = slots["zone"]
    line = find_named(phrase, context.zones.lines, "line", "Delete {}")
    zone = find_named(phrase, context.zones.zones, "zone", "Delete {}")
    if isinstance(line, str) and isinstance(zone, str):
        spoken = re.sub(r"^(?:the|my|our) ", "", phrase)
        exact = [name for name in (line, zone) if plain(name) in (phrase, spoken)]
        if len(exact) != 1:
            offered = tuple(f"Delete {shown}" for shown in (f"the line {line}", zone_word(zone)))
            return Unclear(f"Is the line {line} meant, or {zone_word(zone)}?", offered)
        return _cleared(exact[0], is_line=exact[0] == line)
    if isinstance(line, str):
        return _cleared(line, is_line=True)
    if isinstance(zone, str):
        return _cleared(zone, is_line=False)
    if re.search(r"\blines?\b", phrase):
        return line
    return zone if re.search(r"\b(?:zone|area|region)s?\b", phrase) else None


def _cleared(name: str, is_line: bool) -> Order:
    shown = f"the line {name}" if is_line else zone_word(name)
    return Order((("clear_zone", {"name": name}),), f"Delete {shown}")


def _track(slots: Mapping[str, str], context: OrderContext) -> Reading:
    labels = find_labels(slots["labels"], context, "Track {}")
    if isinstance(labels, Unclear):
        return labels
    said = joined([context.words.plural(label) for label in labels]) or "everything"
    return Order((("track_class", {"labels": list(labels) or ["everything"]}),), f"Track {said}")


def _only(slots: Mapping[str, str], context: OrderContext) -> Reading:
    labels = find_labels(slots["labels"], context, "Detect only {}")
    if isinstance(labels, Unclear):
        return labels
    fitting = [stage for stage in context.spec.stages if stage.kind == "detect"]
    if not fitting:
        return Unclear("The pipeline has no stage that detects classes.", ("Add object detection",))
    if len(fitting) > 1:
        offered = tuple(f"Set the classes of {stage.id} to {slots['labels']}" for stage in fitting)
        return Unclear("Several stages detect classes. Which one?", offered)
    args: Args = {"stage_id": fitting[0].id, "name": "only", "value": list(labels)}
    said = joined([context.words.plural(label) for label in labels]) or "everything"
    return Order((("set_stage_param", args),), f"Detect only {said}" if labels else "Detect everything")


def _blur_faces(on: bool) -> Order:
    return Order((("blur_faces", {"on": on}),), "Blur faces" if on else "Stop blurring faces")


def _blur_things(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """Objects of a class are hidden where a detector before finds them."""
    labels = find_labels(slots["labels"], context, "Blur {}")
    if isinstance(labels, Unclear):
        return labels
    if not any(stage.enabled and stage.kind in ("detect", "find", "segment") for stage in context.spec.stages):
        return Unclear("To hide objects, a detector must find them first.", ("Add object detection", "Blur faces"))
    if not labels or "redact" not in context.kinds:
        return Unclear("What is to be hidden?", ("Blur faces",))
    args: dict[str, Any] = {"kind": "redact", "before": None, "after": None}
    args["params"] = {"what": "objects", "classes": list(labels)}
    return Order((("add_stage", args),), f"Blur {joined([context.words.plural(label) for label in labels])}")


HANDLERS: dict[str, Handler] = {
    "enable": lambda slots, context: _switch(slots, context, True),
    "disable": lambda slots, context: _switch(slots, context, False),
    "add": _add,
    "put": _put,
    "move": _move,
    "remove": _remove,
    "clear zone": _clear_zone,
    "track": _track,
    "only": _only,
    "blur faces": lambda slots, context: _blur_faces(True),
    "unblur faces": lambda slots, context: _blur_faces(False),
    "blur things": _blur_things,
}
