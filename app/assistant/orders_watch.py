"""Orders that make watches, "tell me when a truck enters zone A", and that switch them on and off."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from scenescope.app.assistant.orders_clause import Clause, read_clause
from scenescope.app.assistant.orders_names import Order, OrderContext, Unclear, find_named
from scenescope.app.assistant.orders_words import plain, span_phrase
from scenescope.models import SpecError
from scenescope.pipelines.scene_look import COLOURS
from scenescope.pipelines.watches.rule import WatchRule

__all__ = ["HANDLERS"]

Reading = Order | Unclear | None
Handler = Callable[[Mapping[str, str], OrderContext], Reading]

MAX_NAME_CHARS = 60
TELL = "Tell me when {}"
_CONFIRMED = re.compile(
    r"(?P<rest>.+?)(?: ,)? (?:and|but|then|and then) (?:first )?(?:"
    r"(?:check|confirm|verify|double check)(?: it| that| this)? with (?:the|a|your) model"
    r"|ask the model(?: first| to confirm| to check)?"
    r"|(?:have|let) the model (?:check|confirm|verify)(?: it| that| first)?)(?: ,)?(?: (?:whether|if) (?P<asked>.+))?"
)
_NAMED = re.compile(r"(?P<rest>.+?)(?: ,)? (?:and )?(?:call it|named|called|name it) (?P<name>.+)")
# It is only told of the future: what is past is a question.
_PAST = re.compile(
    r"\b(?:was|were|did|had|appeared|entered|crossed|arrived|came|went|stayed|disappeared|vanished|passed|stopped)\b"
    # Where something crosses, "left" is a direction.
    r"|^(?!.*\b(?:cross|crosses|goes|go|drives|walks|runs|passes)\b).*\bleft\b"
)

# In what a class is called there are no such words: they count, tell one from others, or say how it happens.
_NO_NOUN = re.compile(
    r"\b(?:when|but|else|than|with|without|of|in|on|at|to|for|who|that|which|only|last|first|second|third|next|other|same"
    r"|few|fewer|more|most|many|several|single|half|both|too|dozen|couple|pair|\d+)\b|ly$"
)


def _watch(slots: Mapping[str, str], context: OrderContext) -> Reading:
    text, question, name = slots["clause"], "", ""
    if _PAST.search(text):
        return None
    named = _NAMED.fullmatch(text)
    if named:
        text, name = named["rest"], named["name"]
    confirmed = _CONFIRMED.fullmatch(text)
    if confirmed:
        text = confirmed["rest"]
    clause = _read_clause(text, context)
    if clause is None or isinstance(clause, Unclear):
        return clause
    if confirmed:
        question = f"{confirmed['asked']}?".capitalize() if confirmed["asked"] else _question(clause, context)
    return _order(clause, context, question, name)


def _watch_for(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """What appears, or is in a zone, said without a verb: "watch for trucks"."""
    text = slots["clause"]
    if _PAST.search(text):
        return None
    clause = _read_clause(text, context)
    if not isinstance(clause, Clause):
        clause = _read_clause(f"there is {text}", context)
    if not isinstance(clause, Clause):
        return clause
    if clause.trigger == "count" and clause.at_least == 1 and clause.zone and not clause.for_s:
        who = _who(clause, context)
        offered = (TELL.format(f"{who} enters zone {clause.zone}"), TELL.format(f"{who} is in zone {clause.zone}"))
        return Unclear("When it enters the zone, or as long as it is inside?", offered)
    return _order(clause, context, "", "")


def _read_clause(text: str, context: OrderContext) -> Clause | Unclear | None:
    """As :func:`read_clause`; what no detector is asked for yet may be waited for by any name."""
    clause = read_clause(text, context, TELL)
    if isinstance(clause, Unclear) and clause.unknown and context.may_know_more:
        # Detectors name one of a kind, of any colour.
        first, _, rest = clause.unknown.partition(" ")
        noun = re.sub(r"(?<=\w{3}[^s])s$", "", rest if rest and first in COLOURS else clause.unknown)
        if _NO_NOUN.search(noun):
            return clause
        return read_clause(text, replace(context, known_labels=(*context.known_labels, noun)), TELL)
    return clause


def _order(clause: Clause, context: OrderContext, question: str, name: str) -> Reading:
    described = _described(clause, context)
    rule: dict[str, Any] = {
        **asdict(clause),
        "name": _free(name or described, context),
        "labels": list(clause.labels),
        "between": list(clause.between) if clause.between else None,
        "question": question,
        "enabled": True,
    }
    try:
        WatchRule.of(rule)
    except SpecError as error:
        return Unclear(str(error))
    return Order((("add_watch", {"rule": rule}),), f"Watch: {described}")


def _who(clause: Clause, context: OrderContext) -> str:
    words = context.words
    if clause.trigger != "count" or (clause.at_least, clause.at_most) == (1, None):
        anything = f"a {clause.colour} thing" if clause.colour else "something"
        return " or ".join(words.one(label, clause.colour) for label in clause.labels) or anything
    form, thing = (words.singular, "object") if 1 in (clause.at_least, clause.at_most) else (words.plural, "objects")
    things = " or ".join(f"{clause.colour} {form(label)}".strip() for label in clause.labels) or thing
    if clause.at_most == 0:
        return f"no {things}"
    if clause.at_least == clause.at_most:
        return f"exactly {clause.at_least} {things}"
    return f"at least {clause.at_least} {things}" if clause.at_most is None else f"at most {clause.at_most} {things}"


def _described(clause: Clause, context: OrderContext) -> str:
    """The clause in a few words: "a truck enters A"; the name of the watch where the user gave none."""
    who, lasting = _who(clause, context), f" for {span_phrase(clause.for_s)}" if clause.for_s else ""
    what = {
        "appear": f"{who} appears",
        "vanish": f"{who} leaves",
        "zone_enter": f"{who} enters {clause.zone}",
        "zone_leave": f"{who} leaves {clause.zone}",
        "dwell": f"{who} stays in {clause.zone}",
        "line_cross": f"{who} crosses {clause.line} {clause.direction}".strip(),
        "count": f"{who} in {clause.zone}" if clause.zone else who,
    }[clause.trigger]
    hours = f", {clause.between[0]} to {clause.between[1]}" if clause.between else ""
    return f"{what}{lasting}{hours}"


def _question(clause: Clause, context: OrderContext) -> str:
    """What a model is asked of the picture, when the user did not say."""
    if clause.trigger == "count":
        return f"Are there {_who(clause, context)} in the picture?"
    return f"Is there {_who(clause, context)} in the picture?"


def _free(name: str, context: OrderContext) -> str:
    """The name, shortened, with a number when a watch has it already."""
    name = (name[:1].upper() + name[1:])[: MAX_NAME_CHARS - 4].strip()
    taken = {one.casefold() for one in context.watches}
    numbered = (name if n == 1 else f"{name} {n}" for n in range(1, len(taken) + 2))
    return next(one for one in numbered if one.casefold() not in taken)


def _named(slots: Mapping[str, str], context: OrderContext, make: Callable[[str], Order], verb: str) -> Reading:
    phrase = slots["watch"]
    name = find_named(phrase, context.watches, "watch", f"{verb} {{}}")
    if isinstance(name, str):
        return make(name)
    about = re.search(r"\b(?:watch|watches|alert|alerts|rule|alarm|notification|warning)\b", phrase)
    return name if about else None


def _stop_telling(slots: Mapping[str, str], context: OrderContext) -> Reading:
    """A watch by its name, or by what it was made from."""
    named = find_named(slots["watch"], context.watches, "watch", "Remove {}")
    clause = _read_clause(slots["watch"], context)
    if isinstance(named, Unclear) and isinstance(clause, Clause):
        made = find_named(plain(_described(clause, context)), context.watches, "watch")
        named = made if isinstance(made, str) else named
    return _removed(named) if isinstance(named, str) else named


def _removed(name: str) -> Order:
    return Order((("remove_watch", {"name": name}),), f"Remove the watch {name}")


def _switched(name: str, enabled: bool) -> Order:
    says = f"{'Enable' if enabled else 'Disable'} the watch {name}"
    return Order((("set_watch", {"name": name, "enabled": enabled}),), says)


HANDLERS: dict[str, Handler] = {
    "watch": _watch,
    "watch for": _watch_for,
    "remove watch": lambda slots, context: _named(slots, context, _removed, "Remove"),
    "stop telling": _stop_telling,
    "watch on": lambda slots, context: _named(slots, context, lambda name: _switched(name, True), "Enable"),
    "watch off": lambda slots, context: _named(slots, context, lambda name: _switched(name, False), "Disable"),
}
