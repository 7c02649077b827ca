"""Orders for the playback, the view and the files: go to, play, select, highlight, show, record, open, export."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from scenescope.app.assistant.orders_clause import Clause, read_clause
from scenescope.app.assistant.orders_names import (
    Order,
    OrderContext,
    Unclear,
    bare,
    find_labels,
    find_named,
    find_target,
    quoted,
    zone_word,
)
from scenescope.app.assistant.orders_words import duration_s, lexicon, number, plain, position_s, span_phrase
from scenescope.app.assistant.words import joined

__all__ = ["HANDLERS"]

Reading = Order | Unclear | None
Handler = Callable[[Mapping[str, str], OrderContext], Reading]

LIVE = Unclear("The source is live: it can be paused, but there is nothing to jump to.", ("Pause", "Show the timeline"))
_START = re.compile(r"(?:the )?(?:very )?(?:start|beginning|front|first frame)(?: of the (?:video|film|clip|movie))?")
_END = re.compile(r"(?:the )?(?:very )?(?:end|finish|last frame)(?: of the (?:video|film|clip|movie))?")
_FRAME = re.compile(r"(?:the )?frame (?:number |no |#)?(\d{1,12})")
_WHEN = re.compile(
    r"(?:the )?(?:(?P<which>first|last|next|previous) )?(?:(?:moment|time|point|place|part|bit|scene|instant) )?"
    r"(?:(?:when|where|that|in which|at which) )?(?P<clause>.+?)(?: (?P<adverb>first|last|next|again))?"
)
_ORDINAL = re.compile(
    r"(?:the )?(?P<which>first|last|next|previous|latest) (?:(?:sight|sighting|appearance|view) of )?(?P<what>.+)"
)
_CROSSING = re.compile(r"(?:line )?crossings?(?: (?:of|over|at) (?P<line>.+))?|(?P<other>.+?) crossings?")
_CUT = re.compile(r"(?:scene (?:change|cut)|cut|shot|scene)s?")
_TRACK = re.compile(r"(?:the )?(?:(?:track|object|number|no|id) )*#? ?(\d{1,9})")
_KINDS = {"appear", "vanish", "zone_enter", "zone_leave", "line_cross", "dwell"}
GO_TO = "Go to when {}"
GO_TO_CUT = "Go to the next scene change"


def _seek(context: OrderContext, says: str, **goal: Any) -> Order | Unclear:
    # Of a time that is not long past a picture is kept.
    if context.live and goal.get("t_s", goal.get("relative_s", goal.get("event"))) is None:
        return LIVE
    return Order((("seek", {"t_s": None, "relative_s": None, "event": None, **goal}),), says)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:06.3f}".rstrip("0").rstrip(".") if rest % 1 else f"{int(rest):02}"
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"


def _to_time(t_s: float, context: OrderContext) -> Order | Unclear:
    if not context.live and context.duration_s is not None and t_s > context.duration_s:
        return Unclear(f"The film ends at {_clock(context.duration_s)}.", ("Go to the end",))
    return _seek(context, f"Go to {_clock(t_s)}", t_s=t_s)


def _go_to(slots: Mapping[str, str], context: OrderContext) -> Reading:
    place = slots["place"]
    if _START.fullmatch(place):
        return _seek(context, "Go to the start", t_s=0.0)
    if _END.fullmatch(place):
        if context.duration_s is None and not context.live:
            return Unclear("I do not know where it ends.", ("Go to the start",))
        return _seek(context, "Go to the end", t_s=context.duration_s)
    if frame := _FRAME.fullmatch(place):
        return _seek(context, f"Go to frame {int(frame[1])}", frame=int(frame[1]))
    words = re.sub(r"^(?:time |minute mark |second mark |the )+| mark$|(?<=\d) in$", "", place)
    t_s = position_s(words)
    if t_s is None and not place.startswith(("another ", "a second")):
        t_s = duration_s(words)
    if ordinal := re.fullmatch(r"(second|minute) (\d{1,6})", words):
        t_s = float(ordinal[2]) * (60 if ordinal[1] == "minute" else 1)
    if t_s is not None:
        return _to_time(t_s, context)
    if (count := number(words)) is not None and count == int(count) >= 0:
        return Unclear(f"{count:g} seconds, or minutes?", (f"Go to {_clock(count)}", f"Go to {_clock(count * 60)}"))
    if re.fullmatch(r"\d{1,3}:\d{1,3}(?::\d{1,3})?(?:\.\d+)?", words):
        return Unclear(f"{words} is no time: say it as 1:05, with seconds below 60.")
    return _to_event({"event": place}, context)


def _to_event(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """To "when the red car appeared", "the first dog", "the next crossing of the door line"."""
    place = slots["event"]
    if ordinal := _ORDINAL.fullmatch(place):
        which = {"latest": "last"}.get(ordinal["which"], ordinal["which"])
        found = _to_thing(ordinal["what"], which, context)
        if found is not None:
            return found
    match = _WHEN.fullmatch(place)
    if match is None:
        return None
    if inner := re.fullmatch(
        r"(?P<start>.+) (?P<which>first|last|next) (?P<end>(?:appear|show|enter|left|leave|cross).*)", place
    ):
        return _to_event({"event": f"the {inner['which']} time {inner['start']} {inner['end']}"}, context)
    which = match["which"] or {"last": "last", "next": "next"}.get(match["adverb"] or "", "first")
    clause = read_clause(match["clause"], context, GO_TO)
    if isinstance(clause, Clause):
        return _event(clause, which, context)
    if clause is None and re.match(r"(?:the )?(?:\w+ )?(?:when|where|moment|time|point)\b", place):
        return _told_by_nobody(match["clause"], context)
    return clause if re.search(r"\b(?:when|where|moment)\b", place) or "asked" in slots else None


def _told_by_nobody(clause: str, context: OrderContext) -> Unclear:
    """What comes nearest to a moment that no stage tells: what happens at a line or zone that is named there first."""
    lines = [line.name for line in context.zones.lines if _mentions(clause, line.name)]
    zones = [zone.name for zone in context.zones.zones]
    named = [name for name in zones if _mentions(clause, name)]
    labels = context.words.mentioned(clause, context.known_labels)
    seen = [GO_TO.format(f"{context.words.one(label)} appeared") for label in labels[:1]]
    says = f"Nothing that runs recognises when {quoted(clause)} happens, so I cannot find that moment by itself."
    if not (lines or named):
        says += " What enters a zone drawn there can be found and watched."
    crossed = [GO_TO.format(f"something crosses {name}") for name in lines]
    entered = [GO_TO.format(f"something enters {zone_word(name)}") for name in named]
    draw = f"Tell me when something enters {zone_word([*named, *zones][0])}" if zones else "Add Zones and lines"
    return Unclear(says, (*crossed, *entered, *seen, GO_TO_CUT, draw, "Show the timeline"), sought=clause)


def _mentions(words: str, name: str) -> bool:
    return f" {plain(name)} " in f" {words} "


def _show_when(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """What follows "show me when"; "show me where it is" is a question."""
    reading, words = _to_event(slots, context), slots["event"]
    return reading if reading is not None or words.endswith((" is", " are")) else _told_by_nobody(words, context)


def _to_thing(what: str, which: str, context: OrderContext) -> Reading:
    if _CUT.fullmatch(what):
        return _event(Clause("scene_change"), which, context)
    if re.fullmatch(r"events?", what):
        return Unclear("Which kind of event?", (f"Go to the {which} crossing", f"Go to the {which} scene change"))
    if crossing := _CROSSING.fullmatch(what):
        spoken = crossing["line"] or crossing["other"]
        if spoken is None:
            return _event(Clause("line_cross"), which, context)
        line = find_named(spoken, context.zones.lines, "line", f"Go to the {which} crossing of {{}}")
        return line if isinstance(line, Unclear) else _event(Clause("line_cross", line=line), which, context)
    target = find_target(what, context, f"Go to the {which} {{}}")
    if isinstance(target, Unclear) or target.track_id is not None:
        return None if " " in what or not isinstance(target, Unclear) else target
    return _event(Clause("appear", target.labels, target.colour), which, context)


def _event(clause: Clause, which: str, context: OrderContext) -> Order | Unclear:
    if clause.trigger not in (*_KINDS, "scene_change") or clause.for_s or clause.between or clause.direction:
        says = "I can go to where something appears, leaves, enters a zone or crosses a line, not to that."
        return Unclear(says, ("Show the timeline",))
    if clause.colour and (clause.trigger != "appear" or which not in ("first", "last")):
        says = "By its colour I can find only when something was seen first or last."
        thing = next((context.words.one(label, clause.colour) for label in clause.labels), "")
        return Unclear(says, (GO_TO.format(f"{thing} appeared"),) if thing else ())
    event: dict[str, Any] = {
        "kind": clause.trigger,
        "labels": list(clause.labels),
        "zone": clause.zone,
        "line": clause.line,
        "which": which,
    }
    if clause.colour:
        event["colour"] = clause.colour
    things = " or ".join(context.words.one(label, clause.colour) for label in clause.labels)
    happens = {
        "appear": "comes into view",
        "vanish": "goes",
        "zone_enter": f"enters {clause.zone}",
        "zone_leave": f"leaves {clause.zone}",
        "line_cross": f"crosses {clause.line or 'a line'}",
        "dwell": f"stays in {clause.zone}",
        "scene_change": "changes",
    }[clause.trigger]
    subject = things or ("the scene" if clause.trigger == "scene_change" else "something")
    return _seek(context, f"Go to the {which} time {subject} {happens}", event=event)


def _skip(slots: Mapping[str, str], context: OrderContext, sign: int) -> Reading:
    length = duration_s(slots["time"])
    if length is None or length == 0:
        return None
    way = "back" if sign < 0 else "ahead"
    return _seek(context, f"Go {way} {span_phrase(length)}", relative_s=sign * length)


def _then_play(order: Reading) -> Reading:
    if not isinstance(order, Order):
        return order
    return Order((*order.calls, ("play_pause", {"playing": True})), f"{order.says} and play")


def _play(playing: bool) -> Order:
    return Order((("play_pause", {"playing": playing}),), "Play" if playing else "Pause")


def _select(slots: Mapping[str, str], context: OrderContext) -> Reading:
    phrase = slots["track"]
    match = _TRACK.fullmatch(phrase)
    if match is None:
        target = find_target(phrase, context)
        if isinstance(target, Unclear) or not target.labels:
            return None
        plural = joined([context.words.plural(label) for label in target.labels])
        offered = tuple(f"Select #{track_id}" for track_id in context.track_ids[:3])
        return Unclear("Objects are chosen by their number.", (f"Highlight {plural}", *offered))
    track_id = int(match[1])
    if track_id not in context.track_ids:
        offered = tuple(f"Select #{one}" for one in context.track_ids[:4])
        return Unclear(f"There is no object #{track_id} in the picture now.", offered)
    return Order((("select_track", {"track_id": track_id}),), f"Select #{track_id}")


def _highlight(slots: Mapping[str, str], context: OrderContext) -> Reading:
    labels = find_labels(slots["labels"], context, "Highlight {}")
    if isinstance(labels, Unclear):
        return labels
    if not labels:
        return Unclear("Which kind of object?", tuple(f"Highlight {label}" for label in context.known_labels[:3]))
    said = joined([context.words.plural(label) for label in labels])
    return Order((("highlight", {"labels": list(labels)}),), f"Highlight {said}")


def _no_highlight(slots: Mapping[str, str], context: OrderContext) -> Reading:
    if "labels" in slots and find_labels(slots["labels"], context, "{}") != ():
        return Unclear("I can end all highlighting, not that of one kind.", ("Clear the highlight",))
    return Order((("highlight", {"labels": []}),), "Highlight nothing")


def _panel(slots: Mapping[str, str], context: OrderContext) -> Reading:
    phrase = re.sub(r"^(?:the |my )+| (?:panel|dock|tab|window|view|pane|again)$", "", slots["panel"])
    known = {name: words for name, words in lexicon().panels.items() if name in context.panels}
    known |= {name: [name] for name in context.panels if name not in known}
    found = [name for name, words in known.items() if bare(phrase) in words]
    if len(found) != 1:
        return None
    return Order((("show_panel", {"panel": found[0]}),), f"Show {found[0]}")


def _export(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """What is written, and where to, the user chooses in the app's own dialog."""
    what = bare(slots["what"])
    known = any(what in words for words in lexicon().exports.values())
    return _asked("export", "Export")({}, context) if known else None


def _asked(tool: str, says: str) -> Handler:
    order = Order(((tool, {}),), says)
    return lambda slots, context: order


HANDLERS: dict[str, Handler] = {
    "go to": _go_to,
    "event": _show_when,
    "skip back": lambda slots, context: _skip(slots, context, -1),
    "skip ahead": lambda slots, context: _skip(slots, context, 1),
    "rewind": lambda slots, context: (
        LIVE
        if context.live
        else Unclear("Back by how much?", ("Go back 10 seconds", "Go back 1 minute", "Go to the start"))
    ),
    "start over": lambda slots, context: _go_to({"place": "the start"}, context),
    "play from": lambda slots, context: _then_play(_go_to(slots, context)),
    "replay": lambda slots, context: _then_play(_skip(slots, context, -1)),
    "play": lambda slots, context: _play(True),
    "pause": lambda slots, context: _play(False),
    "stop": lambda slots, context: Unclear("Stop what?", ("Pause", "Stop recording")),
    "select": _select,
    "highlight": _highlight,
    "no highlight": _no_highlight,
    "panel": _panel,
    "record": _asked("start_recording", "Start recording"),
    "stop recording": _asked("stop_recording", "Stop recording"),
    "load": _asked("load_source", "Open another source"),
    "export": _export,
    "undo": lambda slots, context: Order(says="Undo", undo=True),
}
