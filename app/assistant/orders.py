"""The rule parser for orders: from the user's own words to exact calls of tools, never a guess that acts.

An order is understood whole or not at all. Questions, negations, quotes, conditions and what others said are no orders.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from scenescope.app.assistant import orders_params, orders_pipeline, orders_view, orders_watch
from scenescope.app.assistant.orders_names import KindWords, Order, OrderContext, Unclear, kinds_of, quoted
from scenescope.app.assistant.orders_pairs import at_odds
from scenescope.app.assistant.orders_words import lexicon, plain

__all__ = ["MAX_CALLS", "MAX_ORDER_CHARS", "KindWords", "Order", "OrderContext", "Unclear", "kinds_of", "parse_order"]

MAX_CALLS = 4
MAX_ORDER_CHARS = 300
ADD_WATCH = "add_watch"
_MOST_PARTS = 8

_HANDLERS = {
    **orders_pipeline.HANDLERS,
    **orders_params.HANDLERS,
    **orders_view.HANDLERS,
    **orders_watch.HANDLERS,
}
_POLITE = re.compile(
    r"(?:can|could|would|will) you (?!say|think|agree|ever|like|rather|prefer|mind|have|be)|i (?:want|need) you to "
    r"|i would like you to |i would like to |i want to |be so kind and |go ahead and "
)
_PREFIX = re.compile(
    r"^(?:hey|hi|hello|ok|okay|so|well|yes|yeah|sure|alright|please|pls|now|then|assistant|scenescope|just|quickly|also"
    rf"|and|kindly|let us) (?:, )?|^(?:{_POLITE.pattern})"
)
_SUFFIX = re.compile(
    r"(?: ,)? (?:please|pls|thanks|thank you|(?<!for )now|right now|for me|again|immediately|at once"
    r"|asap|too|as well|if you can|if possible|will you|would you|could you|can you|instead)$"
)
_FOR_NOW = re.compile(
    r"(?P<order>.+?)(?: ,)? (?:for now|for (?:a|the) (?:short )?(?:moment|while|bit|time being)|temporarily|briefly)"
)
# What is switched off stays so until it is switched on, and nobody expects anything else.
_OFF = {"set_stage_enabled": "enabled", "set_watch": "enabled", "play_pause": "playing"}
_ASKS = re.compile(
    r"(?:how|what|why|who|where|which|whose|when|is|are|was|were|do|does|did|should|shall|may|might|has|have|had|am|if"
    r"|unless|whether|while|until|because|can|could|would|will)\b"
)
_TELLS = re.compile(r" , (?:then )?(?:(?:tell|alert|warn|notify|inform|ping|message) me|let me know)$")
_NEGATED = re.compile(
    r"\b(?:not|dont|never|nevermind|without|no longer|neither|nor|cannot|cant|wont|refuse|avoid|unless|except|hardly)\b"
)
_CONDITION = re.compile(
    r"(?P<head>.+?)(?: ,)? (?:if|when|whenever|once|until|till|as soon as|in case|while) (?P<clause>.+)"
)
_QUOTES = re.compile(r"[\"\u201c-\u201e\u00ab\u00bb`\u2039\u203a]|(?<!\w)['\u2018][^'\u2018\u2019]+['\u2019](?!\w)")
_QUOTED_NAME = re.compile(r"[\"\u201c\u201e\u00ab']([^\"\u201c-\u201e\u00ab\u00bb']{1,60})[\"\u201c\u201d\u00bb']")
# Nobody writes an order in these; markup, templates and code do.
_MARKUP = re.compile(r"[{}\[\]<>|\\$*~^@§\ufffd]|^\s*\(")


def parse_order(text: str, context: OrderContext) -> Order | Unclear | None:
    """Understand an order.

    Args:
        text: the user's own words, and nothing else.
        context: what there is to be named.

    Returns:
        What is to be done; an :class:`Unclear` when the words are an order that is not exactly understood, with
        suggestions that are; None when they are no order of this grammar. Never raises on any text.
    """
    reading = _read(text, context)
    if isinstance(reading, Unclear):
        offered = tuple(dict.fromkeys(_capital(suggestion) for suggestion in reading.suggestions))
        return replace(reading, suggestions=tuple(one for one in offered if _is_exact(one, context))[:4])
    return reading


def _is_exact(suggestion: str, context: OrderContext) -> bool:
    order = _read(suggestion, context)
    return isinstance(order, Order) and (order.undo or len(order.calls) == 1)


def _read(text: str, context: OrderContext) -> Order | Unclear | None:
    text = text.strip()
    if not 0 < len(text) <= MAX_ORDER_CHARS:
        return None
    text = _without_quotes_of_names(text, context)
    if _QUOTES.search(text) or _MARKUP.search(text) or any(_is_hidden(char) for char in text):
        return None
    asks = text.endswith("?")
    words = plain(text)
    if "?" in text.rstrip("?") or _NEGATED.search(words):
        return None
    polite = _POLITE.search(f"{words} ") is not None or re.search(r"(?:will|would|could|can) you$|please$", words)
    order = _compound(_stripped(words), context)
    if isinstance(order, Order) and asks and not polite:
        return Unclear("Is that an order?", (text.rstrip("? "),))
    return order


def _compound(words: str, context: OrderContext) -> Order | Unclear | None:
    """The words as one order, else as several: all of them, or nothing is done."""
    whole = _single(words, context)
    parts = [part for part in re.split(r" (?:, )?(?:and )?then | , (?:and |then )*| and ", f"{words} ".strip()) if part]
    if isinstance(whole, Order):
        if at_odds(whole.calls, context):
            return _contradictory()
        if whole.calls and whole.calls[0][0] == ADD_WATCH and _hides_order(parts[1:_MOST_PARTS], context):
            return Unclear("A part of that is an order of its own. Say them one after the other.", (parts[0],))
        return whole if len(whole.calls) <= MAX_CALLS else _too_many()
    if 1 < len(parts) <= _MOST_PARTS:
        several = _several(parts, context)
        if several is not None:
            return several
    return _partly(parts, context) or whole


def _hides_order(parts: list[str], context: OrderContext) -> bool:
    """Whether what a watch would take for its name or question is an order: "call it X and pause"."""
    return any(isinstance(_single(_stripped(part), context), Order) for part in parts)


def _several(parts: list[str], context: OrderContext) -> Order | Unclear | None:
    """Orders that together are exactly the parts; each as long as possible, since names hold "and", too."""
    for grouping in _groupings(parts):
        orders = []
        for at, group in enumerate(grouping):
            order = _single(group, context)
            if order is None and at and re.match(r"(?:when|if|whenever) ", group):
                order = _single(f"tell me {group}", context)
            if not isinstance(order, Order) or order.undo:
                break
            orders.append(order)
        if len(orders) == len(grouping) > 1:
            return _together(orders, context)
    return None


def _groupings(parts: list[str]) -> Iterator[list[str]]:
    """All ways to join neighbours, those with few groups first."""
    cuts = len(parts) - 1
    for chosen in sorted(range(1, 2**cuts), key=lambda bits: bits.bit_count()):
        if chosen.bit_count() >= MAX_CALLS:
            return
        groups = [parts[0]]
        for at, part in enumerate(parts[1:]):
            if chosen >> at & 1:
                groups.append(part)
            else:
                groups[-1] += f" and {part}"
        yield [_stripped(group) for group in groups]


def _together(orders: list[Order], context: OrderContext) -> Order | Unclear:
    calls = [call for order in orders for call in order.calls]
    tools = [tool for tool, _ in calls]
    if ADD_WATCH in tools and set(tools[tools.index(ADD_WATCH) :]) != {ADD_WATCH}:
        # "Tell me when a truck comes and pause": now, or then?
        says = "What is done, is done at once; I cannot do it when something happens, only tell you."
        return Unclear(says, tuple(order.says for order in orders if len(order.calls) == 1))
    if len(calls) > MAX_CALLS:
        return _too_many()
    if at_odds(calls, context):
        return _contradictory()
    steps = [order.says[:1].lower() + order.says[1:] for order in orders]
    return Order(tuple(calls), _capital(", then ".join(steps)))


def _partly(parts: list[str], context: OrderContext) -> Unclear | None:
    """Where one part is an order and another is not, nothing is done, and the user is told why."""
    if len(parts) < 2 or len(parts) > _MOST_PARTS:
        return None
    orders = [_single(_stripped(part), context) for part in parts]
    understood = [part for part, order in zip(parts, orders, strict=True) if isinstance(order, Order)]
    unclear = next((order for order in orders if isinstance(order, Unclear)), None)
    if not understood:
        return None
    if unclear is not None:
        return Unclear(f"{unclear.says} So I did nothing.", (*unclear.suggestions, *understood))
    odd = next((part for part, order in zip(parts, orders, strict=True) if order is None), None)
    if odd is None:
        return Unclear("One of these cannot be done together with the others.", tuple(understood))
    return Unclear(f"I did not understand {quoted(odd)}, so I did nothing.", tuple(understood))


def _single(words: str, context: OrderContext) -> Order | Unclear | None:
    """One order: what all fitting forms agree upon. Forms that leave nothing open go before those with slots."""
    if not words or (_ASKS.match(words) and not _TELLS.search(words)):
        return None
    if match := _FOR_NOW.fullmatch(words):
        return _for_now(_stripped(match["order"]), context)
    fixed: list[Order | Unclear] = []
    orders: list[Order] = []
    unclear: Unclear | None = None
    for form, slots in lexicon().matches(words):
        if form.intent.startswith("variant "):
            reading = orders_pipeline.variant(int(form.intent.split()[1]), context)
        else:
            reading = _HANDLERS[form.intent](slots, context)
        if reading is not None and not form.open:
            fixed.append(reading)
        elif isinstance(reading, Order):
            if reading.calls not in [order.calls for order in orders] or reading.undo:
                orders.append(reading)
        elif reading is not None:
            unclear = unclear or reading
    if fixed:
        return fixed[0]
    if len(orders) == 1:
        return orders[0]
    if orders:
        return Unclear("That can be understood in several ways.", tuple(order.says for order in orders))
    return _conditional(words, context) or unclear


def _for_now(words: str, context: OrderContext) -> Order | Unclear | None:
    """Nothing is taken back by itself, so only what is switched off may be said to be so for a moment."""
    order = _single(words, context)
    if not isinstance(order, Order) or (
        order.calls and all(tool in _OFF and not args[_OFF[tool]] for tool, args in order.calls)
    ):
        return order
    removed = any(tool.startswith("remove") for tool, _ in order.calls)
    instead = (order.says.replace("Remove", "Disable", 1),) if removed else ()
    return Unclear("What I do stays so until you say otherwise, I cannot do it for a moment.", (*instead, words))


def _conditional(words: str, context: OrderContext) -> Unclear | None:
    """For "blur faces when someone appears": it could be done now, or the user be told then."""
    match = _CONDITION.fullmatch(words)
    head = _single(_stripped(match["head"]), context) if match else None
    if match is None or not isinstance(head, Order):
        return None
    says = "I do things at once, not later or on a condition."
    return Unclear(says, (match["head"], f"Tell me when {match['clause']}"))


def _stripped(words: str) -> str:
    """Without what is only polite."""
    while True:
        shorter = _SUFFIX.sub("", _PREFIX.sub("", words, count=1)).strip(" ,")
        if shorter == words:
            return words
        words = shorter


def _without_quotes_of_names(text: str, context: OrderContext) -> str:
    """Quotes around a name that exists only show where it ends."""
    zones = (*context.zones.names, *context.watches)
    stages = (word for stage in context.spec.stages for word in (stage.id, stage.kind))
    titles = (kind.title for kind in context.kinds.values())
    known = {plain(name) for name in (*zones, *stages, *titles)}
    return _QUOTED_NAME.sub(lambda match: match[1] if plain(match[1]) in known else match[0], text)


def _is_hidden(char: str) -> bool:
    """Characters that show nothing, or turn the direction of writing, hide what is written."""
    return char not in "\n\r\t" and unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Cn")


def _contradictory() -> Unclear:
    return Unclear("Two parts of that contradict or repeat each other, so I did nothing.")


def _too_many() -> Unclear:
    return Unclear(f"That is more than {MAX_CALLS} changes at once. Say it in smaller parts.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
