"""Clauses of orders, "a truck enters zone A for 10 s": what happens, to what, where, how long, in which hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scenescope.app.assistant.orders_names import (
    OrderContext,
    Unclear,
    find_named,
    find_target,
    quoted,
)
from scenescope.app.assistant.orders_words import clock_time, duration_s, number, plain, position_s
from scenescope.app.assistant.words import joined

__all__ = ["Clause", "read_clause"]

_VIEW = r"(?:the |this )?(?:picture|scene|view|frame|image|field of view|sight|room)"
_SEEN = rf"there|here|visible|present|around|seen|detected|spotted|in view|in sight|(?:in|on) {_VIEW}|on camera|back"
_APPEAR = re.compile(
    r"(?P<x>.+?) (?:appears?|appeared|shows? up|showed up|turns? up|turned up|pops? up|popped up|arrives?|arrived"
    rf"|(?:comes?|came|walks?|walked|drives?|drove|gets?|got) (?:in|by|along|into {_VIEW}|into view)"
    rf"|(?:enters?|entered) {_VIEW}|(?:gets?|got) (?:seen|detected))"
)
_THERE = re.compile(
    rf"(?!there )(?P<x>.+?) (?:is|are|was|were) (?:{_SEEN})|there (?:is|are|was|were) (?P<y>.+?)(?: (?:{_SEEN}))?"
)
_YOU_SEE = re.compile(
    r"(?:you|the camera|the detector) (?:sees?|saw|spots?|spotted|detects?|detected|finds?|found) (?P<x>.+)"
)
_VANISH = re.compile(
    r"(?P<x>.+?) (?:disappears?|disappeared|vanish(?:es|ed)?|leaves?|left|(?:goes|go|went) away"
    r"|(?:is|was) gone|(?P<many>(?:are|were) gone)"
    rf"|(?:leaves?|left|exits?|exited) {_VIEW}|(?:goes|go|went|gets?|got) out of {_VIEW})"
)
_INTO = re.compile(
    r"(?P<x>.+?) (?:enters?|entered|reach(?:es|ed)|(?:goes|go|went|comes?|came|walks?|walked|drives?|drove|gets?|got"
    r"|steps?|stepped|moves?|moved|runs?|ran|rides?|rode|rolls?|rolled) (?:in|into|inside|onto)) (?P<zone>.+)"
)
_OUT_OF = re.compile(
    r"(?P<x>.+?) (?:leaves?|left|exits?|exited|(?:goes|go|went|comes?|came|walks?|walked|drives?|drove|gets?|got|steps?"
    r"|stepped|moves?|moved|runs?|ran|rides?|rode|rolls?|rolled) out of) (?P<zone>.+)"
)
_OVER = re.compile(
    r"(?P<x>.+?) (?:cross(?:es|ed)?|pass(?:es|ed)?|(?:goes|go|went|comes?|came|walks?|walked|drives?|drove|runs?|ran"
    r"|rides?|rode|steps?|stepped) (?:over|across|past)) (?P<line>.+)"
)
_STAYS = re.compile(
    r"(?!there )(?P<x>.+?) (?P<verb>stays?|stayed|remains?|remained|stands?|stood|waits?|waited|lingers?|lingered"
    r"|loiters?|loitered|sits?|sat|parks?|parked|hangs? (?:around|out)"
    r"|(?:is|are) (?:parked|standing|waiting|sitting|lingering|loitering)|is|are|was|were) "
    r"(?:still )?(?:in|inside|within|at|on) (?P<zone>.+)"
)
_IN_ZONE = re.compile(
    r"(?!there )(?P<x>.+?) (?:is|are|stands?|gathers?|was|were) (?:in|inside|within|at|on) (?P<zone>.+)"
    r"|there (?:is|are|was|were) (?P<y>.+?) (?:in|inside|within|at|on) (?P<z>.+)"
    r"|(?P<place>.+?) (?:is|gets|becomes) (?:empty|deserted)"
    r"|(?P<full>.+?) (?:has|contains|holds|gets) (?P<w>.+)"
)
_NUMBERED = re.compile(
    r"(?:(?P<over>more than|over|above)|(?P<least>at least|minimum|a minimum of)|(?P<under>fewer than|less than|under)"
    r"|(?P<most>at most|up to|no more than|a maximum of)|(?P<just>exactly|just|only)|(?P<plain>))\s*(?P<n>[\w.]+)"
    r"(?: or (?:(?P<more>more)|(?P<fewer>fewer|less)))? (?P<x>.+)"
)
_NONE = {"nobody": "people", "no one": "people", "no body": "people", "nothing": "objects"}
# What is said of all at once; "the cars leave" may be said of all or of each.
_ALL = re.compile(r"(?P<who>everyone|everybody|everything|all)(?: of)?(?: (?P<x>.+))?|(?:every|each|both) .+")
_THE_SEVERAL = re.compile(r"the (?P<x>.+?) (?:leave|disappear|vanish|exit|go (?:away|out of)|get out of)(?: .+)?")
_THIS_ONE = re.compile(r"(?:this|that|these|those) .+")
_LONGER = r"(?:for )?(?:at least|longer than|more than|over|a minimum of)|for"
_FOR = re.compile(rf"(?P<rest>.+?) (?:{_LONGER}) (?P<time>.+)")
_HOURS = re.compile(
    r"(?P<rest>.+?)(?: ,)? (?:between (?P<a>.+?) and (?P<b>.+?)|from (?P<c>.+?) (?:to|until|till) (?P<d>.+?))"
)
_DAILY = re.compile(r" (?:every day|each day|daily|o clock)$")
_NIGHTLY = re.compile(r"(?P<rest>.+?)(?: ,)? (?:(?:every|each|at|by|during the|in the) night|nightly)")
_IN_FILM = (
    "{0} to {1} is a part of this film, and a watch only waits for what comes. Ask what there was between {0} and {1},"
    " or say hours as 8 am."
)


@dataclass(frozen=True)
class Clause:
    """What happens, in the words of the event log, and of :class:`~scenescope.pipelines.watches.rule.WatchRule`.

    ``count`` is said of a number; ``at_least`` and ``at_most`` are its bounds.
    """

    trigger: str
    labels: tuple[str, ...] = ()
    colour: str = ""
    zone: str = ""
    line: str = ""
    direction: str = ""
    at_least: int | None = None
    at_most: int | None = None
    for_s: float = 0.0
    between: tuple[str, str] | None = None


Subject = Clause


def read_clause(text: str, context: OrderContext, template: str = "{}") -> Clause | Unclear | None:
    """Understand a clause whole.

    Args:
        text: plain words.
        context: zones, lines and classes.
        template: an order with "{}" for the clause, for suggestions.

    Returns:
        What happens; a question where a name in it is unknown; None when it is no clause of this kind.
    """
    text = _DAILY.sub("", _with_zones(text.replace(" ,", ""), context))
    if nightly := _NIGHTLY.fullmatch(text):
        text = nightly["rest"]
        if not _HOURS.fullmatch(text):
            offered = template.format(f"{text} between 10 pm and 6 am")
            return Unclear("From when to when is it night? Say the hours.", (offered,))
    unclear: Unclear | None = None
    for rest, between in _hours(text, context, template):
        if isinstance(between, Unclear):
            unclear = unclear or between
            continue
        for words, for_s in _lengths(rest):
            found: list[Clause] = []
            for clause in _readings(words, for_s, context, template):
                if isinstance(clause, Clause):
                    found.append(replace(clause, between=between))
                else:
                    unclear = unclear or clause
            if found:
                return found[0] if len(set(found)) == 1 else Unclear("That can be understood in several ways.")
    return unclear


def _with_zones(text: str, context: OrderContext) -> str:
    """Where a zone is called "Room", the room is that zone and not the picture."""
    for name in (plain(zone.name) for zone in context.zones.zones):
        if re.fullmatch(_VIEW, name):
            short = name.removeprefix("the ")
            spoken = rf"\b(?:the |this |(?<=in )|(?<=into )|(?<=enters )|(?<=leaves )){short}\b(?! zone)"
            text = re.sub(spoken, f"zone {name}", text)
    return text


def _hours(text: str, context: OrderContext, template: str) -> Iterator[tuple[str, tuple[str, str] | Unclear | None]]:
    match = _HOURS.fullmatch(text)
    if match is not None:
        said = match["a"] or match["c"], match["b"] or match["d"]
        first, last = clock_time(said[0]), clock_time(said[1])
        if first is not None and last is not None:
            # An hour that no clock with am and pm has tells that none is meant.
            of_24 = not (first[1] or last[1]) and any(int(time[:2]) in (0, *range(13, 24)) for time, _ in (first, last))
            if first[0] == last[0]:
                yield match["rest"], Unclear("These hours begin and end at the same time.")
            elif not (first[1] and last[1]) and not of_24:
                yield match["rest"], Unclear("In the morning or in the evening? Say the hours as 8:00 and 18:00.")
            elif _of_film(said, context):
                offered = (template.format(match["rest"]), f"Go to {said[0]}")
                yield match["rest"], Unclear(_IN_FILM.format(*said), offered)
            else:
                yield match["rest"], (first[0], last[0])
            return
    yield text, None


def _of_film(said: tuple[str, str], context: OrderContext) -> bool:
    """Both are times of the film that is open."""
    if context.live or context.duration_s is None:
        return False
    times_s = [position_s(one) for one in said]
    return all(one is not None and one <= context.duration_s for one in times_s)


def _lengths(text: str) -> Iterator[tuple[str, float]]:
    """The words without a length of time at their end, and the length."""
    match = _FOR.fullmatch(text)
    length = duration_s(match["time"]) if match else None
    if match and length is not None:
        yield match["rest"], length
        return
    yield text, 0.0


def _readings(text: str, for_s: float, context: OrderContext, template: str) -> Iterator[Clause | Unclear]:
    """Everything that the words may mean; what lasts is told apart from what happens in a moment."""
    if (none := _all_gone(text, for_s, context, template)) is not None:
        yield none
        return
    if match := _OVER.fullmatch(text):
        yield from _crossing(match["x"], match["line"], for_s, context, template)
    for pattern, trigger in ((_INTO, "zone_enter"), (_OUT_OF, "zone_leave")):
        match = pattern.fullmatch(text)
        # What is entered or left may be the picture itself.
        if match and not re.fullmatch(_VIEW, match["zone"]) and not for_s:
            yield _in_zone(trigger, match["x"], match["zone"], 0.0, context, template)
    if match := _STAYS.fullmatch(text):
        subject = _subject(match["x"], context)
        counted = isinstance(subject, Clause) and subject.trigger == "count"
        lasting = match["verb"] not in ("is", "are", "was", "were")
        if for_s and not counted and not re.fullmatch(_VIEW, match["zone"]):
            yield _in_zone("dwell", match["x"], match["zone"], for_s, context, template)
        elif lasting and not for_s and not isinstance(subject, Unclear):
            yield Unclear("For how long?", (template.format(f"{text} for 10 seconds"),))
    yield from _counts(text, for_s, context, template)
    for pattern, trigger in ((_APPEAR, "appear"), (_VANISH, "vanish"), (_YOU_SEE, "appear")):
        if match := pattern.fullmatch(text):
            yield _momentary(trigger, match["x"], for_s, context)
    if (match := _THERE.fullmatch(text)) and not _is_numbered(match["x"] or match["y"], context):
        yield _momentary("appear", match["x"] or match["y"], for_s, context)


def _all_gone(text: str, for_s: float, context: OrderContext, template: str) -> Clause | Unclear | None:
    """That all have left, so that none is there any more; None where it is said of one."""
    gone, out = _VANISH.fullmatch(text), _OUT_OF.fullmatch(text)
    match = gone or out
    if match is None:
        return None
    everyone = _ALL.fullmatch(match["x"])
    if everyone is not None and everyone["who"] is not None:
        noun = everyone["x"] or ("people" if everyone["who"] in ("everyone", "everybody") else "objects")
    elif gone and gone["many"] and not re.match(r"(?:an?|any|some|one|this|that|these|those)\b", match["x"]):
        noun = match["x"]
    elif several := _THE_SEVERAL.fullmatch(text):
        subject = _subject(several["x"], context)
        if isinstance(subject, Unclear) or subject.trigger == "count":
            return None
        words = context.words
        one = " or ".join(words.one(label, subject.colour) for label in subject.labels) or "something"
        more = " or ".join(f"{subject.colour} {words.plural(label)}".strip() for label in subject.labels) or "objects"
        place = match["zone"] if gone is None else ""
        each = f"{one} leaves {place}".strip()
        none = f"there are no {more} in {place}" if place else f"there are no {more}"
        return Unclear("Each of them, or all of them?", (template.format(each), template.format(none)))
    else:
        return None
    if gone is None:
        return _in_zone("count", f"no {noun}", match["zone"], for_s, context, template)
    subject = _subject(f"no {noun}", context)
    return replace(subject, for_s=for_s) if isinstance(subject, Clause) else subject


def _counts(text: str, for_s: float, context: OrderContext, template: str) -> Iterator[Clause | Unclear]:
    there, match = _THERE.fullmatch(text), _IN_ZONE.fullmatch(text)
    if there and _is_numbered(there["x"] or there["y"], context):
        subject = _subject(there["x"] or there["y"], context)
        if isinstance(subject, Clause):
            yield replace(subject, for_s=for_s)
        elif match is None:
            yield subject
    if match is None:
        return
    if match["place"]:
        zone = find_named(match["place"], context.zones.zones, "zone", template.format("{} is empty"))
        person = find_target("people", context)
        if isinstance(zone, Unclear) or isinstance(person, Unclear):
            yield zone if isinstance(zone, Unclear) else person  # type: ignore[misc]
        else:
            yield Clause("count", person.labels, zone=zone, at_most=0, for_s=for_s)
        return
    subject_words = match["x"] or match["y"] or match["w"]
    place = match["zone"] or match["z"] or match["full"]
    numbered = _is_numbered(subject_words, context)
    if re.fullmatch(_VIEW, place) or (for_s and not numbered):
        return
    clause = _in_zone("count", subject_words, place, for_s, context, template)
    if isinstance(clause, Clause) and not numbered:
        clause = replace(clause, at_least=1)
    yield clause


def _momentary(trigger: str, phrase: str, for_s: float, context: OrderContext) -> Clause | Unclear:
    subject = _subject(phrase, context)
    if isinstance(subject, Unclear):
        return subject
    if subject.trigger == "count":
        return Unclear("A number of objects can be waited for where they are, not as they come and go.")
    return replace(subject, trigger=trigger, for_s=for_s)


def _in_zone(
    trigger: str, phrase: str, place: str, for_s: float, context: OrderContext, template: str
) -> Clause | Unclear:
    subject = _subject(phrase, context)
    if isinstance(subject, Unclear):
        return subject
    verb = {"zone_enter": "enters", "zone_leave": "leaves", "dwell": "stays in"}.get(trigger, "is in")
    tail = f" for {for_s:g} seconds" if for_s else ""
    zone = find_named(place, context.zones.zones, "zone", template.format(f"{phrase} {verb} {{}}{tail}"))
    if isinstance(zone, Unclear):
        return zone
    if trigger != "count" and subject.trigger == "count":
        number_is = template.format(f"{phrase} are in zone {zone}")
        return Unclear("A number of objects can be waited for inside a zone, not at its border.", (number_is,))
    return replace(subject, trigger=trigger, zone=zone, for_s=for_s)


def _crossing(
    phrase: str, place: str, for_s: float, context: OrderContext, template: str
) -> Iterator[Clause | Unclear]:
    subject = _subject(phrase, context)
    if isinstance(subject, Unclear):
        yield subject
        return
    if subject.trigger == "count" or for_s:
        yield Unclear("A crossing happens in a moment, to one object.")
        return
    name = find_named(place, context.zones.lines, "line", template.format(f"{phrase} crosses {{}}"))
    if isinstance(name, str):
        yield replace(subject, trigger="line_cross", line=name)
        return
    words = place.split()
    for at in range(len(words) - 1, 0, -1):
        name_words, way = " ".join(words[:at]), re.sub(r"^(?:going |heading )+", "", " ".join(words[at:]))
        found = find_named(name_words, context.zones.lines, "line")
        if isinstance(found, str):
            direction = _direction(found, way, context)
            if direction:
                yield replace(subject, trigger="line_cross", line=found, direction=direction)
                return
            line = next(line for line in context.zones.lines if line.name == found)
            ways = (line.forward, line.backward)
            offered = tuple(template.format(f"{phrase} crosses the line {found} {one}") for one in ways)
            yield Unclear(f"The line {quoted(found)} is crossed {joined(ways)}, not {quoted(way)}.", offered)
            return
    yield name


def _direction(name: str, way: str, context: OrderContext) -> str:
    """The line's own word for a direction; "" when there is none."""
    line = next(line for line in context.zones.lines if line.name == name)
    own = {line.forward.casefold(): line.forward, line.backward.casefold(): line.backward}
    standard = {"in": "inwards inward inside", "out": "outwards outward outside"}
    other = {word: one for one, words in standard.items() for word in words.split()}
    fixed = {"forward": line.forward, "forwards": line.forward, "backward": line.backward, "backwards": line.backward}
    short = re.sub(r"^(?:to )?(?:the )?| direction$|wards?$", "", way)
    return own.get(way) or own.get(short) or own.get(other.get(way, "")) or fixed.get(way, "")


# Subjects --------------------------------------------------------------------------------------------------------


def _is_numbered(phrase: str, context: OrderContext) -> bool:
    subject = _subject(phrase, context)
    return (isinstance(subject, Clause) and subject.trigger == "count") or bool(_bounds(phrase))


def _bounds(phrase: str) -> tuple[int | None, int | None, str] | None:
    """(at least, at most, of what) when the phrase says a number."""
    if phrase in _NONE:
        return None, 0, _NONE[phrase]
    if phrase.startswith(("no ", "zero ")):
        return None, 0, phrase.partition(" ")[2]
    match = _NUMBERED.fullmatch(phrase)
    if match is None or (match["n"] in ("a", "an", "one") and match["plain"] is not None and not match["more"]):
        return None
    if match["just"] and match["n"] in ("a", "an"):
        return None
    count = number("1" if match["n"] in ("a", "an") else match["n"])
    if count is None or count != int(count):
        return None
    n, of = int(count), re.sub(r"^of ", "", match["x"])
    if match["over"]:
        return n + 1, None, of
    if match["under"]:
        return None, n - 1, of
    if match["most"] or match["fewer"]:
        return None, n, of
    if match["just"]:
        return n, n, of
    return n, None, of


def _subject(phrase: str, context: OrderContext) -> Clause | Unclear:
    """What a noun phrase is about; with ``trigger="count"`` when it says a number."""
    bounds = _bounds(phrase)
    noun = bounds[2] if bounds else phrase
    labels: list[str] = []
    colours = set()
    parts = [noun] if context.words.resolve(noun, context.known_labels) else re.split(r" or (?:if |when )?", noun)
    for part in parts:
        if " and " in part:
            says = "All of them together, or any of them? Any of them can be waited for: say 'or'."
            return Unclear(says) if context.words.mentioned(part, context.known_labels) else _unknown(part, context)
        if not_one := _not_one(part):
            return not_one
        target = find_target(part, context)
        if isinstance(target, Unclear):
            return target
        if target.track_id is not None:
            return Unclear("A watch is for kinds of objects, not for one numbered track.")
        if not target.labels and len(parts) > 1:
            return Unclear("All kinds, or only some of them?")
        labels += target.labels
        colours.add(target.colour)
    if len(colours) > 1:
        return Unclear("Several colours at once cannot be waited for; make one watch for each.")
    found = Clause("", tuple(dict.fromkeys(labels)), colours.pop())
    if bounds is None:
        return found
    least, most, _ = bounds
    if (most is not None and most < 0) or (least == 0 and most is None):
        return Unclear("That is always so, or never.")
    return replace(found, trigger="count", at_least=least, at_most=most)


def _not_one(phrase: str) -> Unclear | None:
    """Why a phrase is about more, or less, than any object of a kind."""
    if _ALL.fullmatch(phrase):
        return Unclear("I can wait for one of them, for a number, or until none is there, but not for all of them.")
    if re.match(r"(?:only|just)\b", phrase):
        return Unclear("I cannot wait until nothing else is there; say a number, such as 'exactly one'.")
    if _THIS_ONE.fullmatch(phrase):
        return Unclear("A watch is for kinds of objects, not for a certain one of them.")
    return None


def _unknown(part: str, context: OrderContext) -> Unclear:
    target = find_target(part, context)
    return target if isinstance(target, Unclear) else Unclear(f"{quoted(part)} is not clear.")
