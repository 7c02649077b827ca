"""What an order may name: stages, kinds of stages, zones, lines, classes, watches. Exactly one thing, or a question."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scenescope.app.assistant.orders_words import lexicon, plain
from scenescope.app.assistant.words import Target, Vocabulary, joined, vocabulary
from scenescope.models import PluginError
from scenescope.pipelines import STAGES, PipelineSpec, Stage, StageParams, StageSpec
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

__all__ = ["KindWords", "Order", "OrderContext", "Unclear", "bare", "find_kind", "find_labels", "find_named"]
__all__ += ["find_stage", "find_stages", "find_target", "is_drawn_or_watch", "kinds_of", "list_of", "quoted"]
__all__ += ["stage_name", "zone_word"]

Args = dict[str, Any]
MOST_SUGGESTIONS = 4
MAX_QUOTED_CHARS = 40
_TYPO_CUTOFF = 0.75
PANELS = ("stages", "assistant", "timing", "events", "analysis")


@dataclass(frozen=True)
class Order:
    """What the user told the app to do, understood exactly.

    Attributes:
        calls: tool and arguments of each call, in their order.
        says: what they do, as a sentence.
        undo: the order was to undo the last change; then there are no calls.
    """

    calls: tuple[tuple[str, Args], ...] = ()
    says: str = ""
    undo: bool = False


@dataclass(frozen=True)
class Unclear:
    """An order that was not understood exactly, so nothing is done.

    Attributes:
        says: why.
        suggestions: orders that would be understood.
        unknown: a noun that is like none that the detector knows, where that is all that is wrong.
        sought: words for a moment that no stage tells: somebody who reads captions and marks may find it.
    """

    says: str
    suggestions: tuple[str, ...] = ()
    unknown: str = ""
    sought: str = ""


@dataclass(frozen=True)
class KindWords:
    """A kind of stage that can be named: its title, its other names in plain words, what it does, its parameters."""

    title: str
    names: tuple[str, ...] = ()
    summary: str = ""
    params: type[StageParams] = StageParams


@dataclass(frozen=True)
class OrderContext:
    """What there is to be named in an order.

    Attributes:
        spec: the pipeline as it is.
        kinds: the stages that there are, see :func:`kinds_of`.
        zones: zones and lines.
        known_labels: the classes that the detector tells apart.
        may_know_more: no detector has said yet what it tells apart, so a watch may name other classes, too.
        track_ids: the tracks in the picture now.
        panels: the panels of the window.
        live: the source is a camera or a stream.
        duration_s: length of the film; None when it has none or it is not known.
        watches: the names of the watches.
        words: the vocabulary.
    """

    spec: PipelineSpec = field(default_factory=PipelineSpec)
    kinds: Mapping[str, KindWords] = field(default_factory=dict)
    zones: ZoneSet = field(default_factory=ZoneSet)
    known_labels: tuple[str, ...] = ()
    may_know_more: bool = False
    track_ids: tuple[int, ...] = ()
    panels: tuple[str, ...] = PANELS
    live: bool = False
    duration_s: float | None = None
    watches: tuple[str, ...] = ()
    words: Vocabulary = field(default_factory=vocabulary)


def kinds_of(registry: Registry[Stage] = STAGES) -> dict[str, KindWords]:
    """Every stage that can be used, by kind. Imports their modules, which hold nothing heavy."""
    kinds = {}
    for kind in registry.names():
        try:
            stage = registry.get(kind)
        except PluginError:
            continue
        names = dict.fromkeys([plain(kind), plain(stage.info.title), *lexicon().aliases.get(kind, ())])
        kinds[kind] = KindWords(stage.info.title, tuple(names), stage.info.summary, stage.Params)
    return kinds


# Words -----------------------------------------------------------------------------------------------------------


def bare(phrase: str) -> str:
    """Without articles before it and words such as "stage" after it."""
    phrase = re.sub(r"^(?:(?:a|an|the|any|some|all|this|that|my|our|another|new|one more|of) )+", "", f"{phrase} ")
    return re.sub(r"(?: (?:stage|step|filter|effect|module|please))$", "", phrase.strip()) or phrase.strip()


def quoted(phrase: str) -> str:
    """In quotes, and not longer than a line."""
    return f"'{phrase}'" if len(phrase) <= MAX_QUOTED_CHARS else f"'{phrase[: MAX_QUOTED_CHARS - 1]}…'"


def list_of(phrase: str, either: bool = False) -> list[str]:
    """The parts of "cats, dogs and birds"; with ``either`` also of "cats or dogs"."""
    pauses = r" , (?:and |or )?| and | or " if either else r" , (?:and )?| and "
    return [part for part in re.split(pauses, phrase) if part]


def is_drawn_or_watch(phrase: str) -> bool:
    """The phrase says of itself that it names no stage, but a zone, a line or a watch."""
    return (
        re.search(r"\b(?:zones?|areas?|regions?|lines?|watch|watches|alerts?|alarm|notification)\b", phrase) is not None
    )


# Stages ----------------------------------------------------------------------------------------------------------


def stage_name(stage: StageSpec, context: OrderContext) -> str:
    """What to call a stage of the pipeline: its title, or its id where that is not enough."""
    kind = context.kinds.get(stage.kind)
    alone = sum(other.kind == stage.kind for other in context.spec.stages) == 1
    return kind.title if kind is not None and alone else stage.id


def find_stage(
    phrase: str, context: OrderContext, template: str = "{}", enabled: bool | None = None
) -> StageSpec | Unclear:
    """The one stage of the pipeline that a phrase names.

    Args:
        phrase: plain words: its id, title, kind, another name, or what it does ("the detector").
        context: what there is.
        template: an order with "{}" for the stage, for suggestions.
        enabled: where several are named, only those that are on or off are meant, if there are any.
    """
    found = find_stages(phrase, context)
    if enabled is not None and any(stage.enabled is enabled for stage in found):
        found = [stage for stage in found if stage.enabled is enabled]
    if len(found) == 1:
        return found[0]
    if found:
        names = [stage_name(stage, context) for stage in found]
        says = f"{quoted(bare(phrase))} may be {joined(names)}. Which one?"
        return Unclear(says, tuple(template.format(name) for name in names))
    if not context.spec.stages:
        return Unclear("The pipeline is empty.", ("Add object detection",))
    kind = find_kind(phrase, context)
    if not isinstance(kind, Unclear):
        title = context.kinds[kind[0]].title
        return Unclear(f"The pipeline has no stage {quoted(title)}.", (f"Add {title}",))
    close = _similar(bare(phrase), {name: stage for stage in context.spec.stages for name in _names(stage, context)})
    likely = close or context.spec.stages
    says = f"The pipeline has no stage {quoted(bare(phrase))}."
    return Unclear(says, tuple(template.format(stage_name(stage, context)) for stage in likely[:MOST_SUGGESTIONS]))


def find_stages(phrase: str, context: OrderContext) -> list[StageSpec]:
    """All stages of the pipeline that a phrase may name; the plainest way to name one wins."""
    stages, name = context.spec.stages, bare(phrase)
    if re.match(r"(?:all|every|any|some|both)\b", phrase):
        return []
    if position := re.fullmatch(r"(?:the )?(first|second|third|last) (?:stage|step)", phrase):
        at = {"first": 0, "second": 1, "third": 2, "last": -1}[position[1]]
        return [stages[at]] if -len(stages) <= at < len(stages) else []
    by_id = [stage for stage in stages if plain(stage.id) in (phrase, name)]
    by_name = [stage for stage in stages if name in _names(stage, context)]
    role = lexicon().roles.get(name, ())
    by_role = [stage for stage in stages if stage.kind in role]
    if len(by_id) == 1 and (by_id[0] in by_name or not (by_name or by_role)):
        return by_id
    together = [*by_name, *(stage for stage in (*by_id, *by_role) if stage not in by_name)]
    return [stage for stage in stages if stage in together]


def _names(stage: StageSpec, context: OrderContext) -> tuple[str, ...]:
    kind = context.kinds.get(stage.kind)
    return kind.names if kind is not None else (plain(stage.kind),)


def find_kind(phrase: str, context: OrderContext, template: str = "Add {}") -> tuple[str, Args] | Unclear:
    """The kind of stage that a phrase names, with the parameters that it implies ("background blur")."""
    for name in dict.fromkeys((phrase, bare(phrase))):
        found: list[tuple[str, Args]] = [
            (variant["kind"], dict(variant.get("params", {})))
            for variant in lexicon().variants
            if name in variant.get("names", ()) and variant["kind"] in context.kinds
        ]
        found = found or [(kind, {}) for kind, words in context.kinds.items() if name in words.names]
        if len(found) == 1:
            return found[0]
        if found:
            titles = [context.kinds[kind].title for kind, _ in found]
            says = f"{quoted(name)} may be {joined(titles)}. Which one?"
            return Unclear(says, tuple(template.format(title) for title in titles))
    index = {name: words.title for words in context.kinds.values() for name in words.names}
    close = _similar(bare(phrase), index)
    says = f"There is no stage {quoted(bare(phrase))}."
    return Unclear(says, tuple(template.format(title) for title in close))


def _similar(phrase: str, index: Mapping[str, Any]) -> list[Any]:
    """The values of ``index`` whose names are nearly ``phrase``, each once."""
    close = difflib.get_close_matches(phrase, list(index), n=MOST_SUGGESTIONS, cutoff=_TYPO_CUTOFF)
    found: list[Any] = []
    for name in close:
        if index[name] not in found:
            found.append(index[name])
    return found


# Zones, lines, watches -------------------------------------------------------------------------------------------


def zone_word(name: str) -> str:
    """A zone as it is said: "zone A", but "Zone 1" when it is called that."""
    return name if re.search(r"\b(?:zone|area)\b", plain(name)) else f"zone {name}"


def find_named(phrase: str, named: Iterable[Zone | CountLine | str], what: str, template: str = "{}") -> str | Unclear:
    """The one zone, line or watch that a phrase names.

    Args:
        phrase: plain words: its name, with or without ``what``.
        named: those there are.
        what: "zone", "line" or "watch".
        template: an order with "{}" for the name, for suggestions.
    """
    names = [one if isinstance(one, str) else one.name for one in named]
    words = {"zone": "zone|area|region", "line": "line", "watch": "watch|alert|rule|alarm|notification|warning"}[what]
    spoken = re.sub(r"^(?:the|my|our|this|that) ", "", phrase)
    short = re.sub(rf"^(?:{words})s? (?:called |named |on |for )?| (?:{words})$", "", spoken)
    for form in dict.fromkeys((phrase, spoken, short)):
        found = [name for name in names if plain(name) == form]
        found = found or [name for name in names if plain(name) in (f"{what} {form}", f"{form} {what}")]
        if len(found) == 1:
            return found[0]
        if found:
            return Unclear(f"Several {what}s are called {quoted(form)}.")
    if re.fullmatch(words, short) and len(names) == 1:
        return names[0]
    if not names:
        cure = {"zone": " Draw one with the stage 'Zones and lines'.", "line": " Draw one with 'Zones and lines'."}
        return Unclear(f"There is no {what} yet.{cure.get(what, '')}")
    known = joined(names[:MOST_SUGGESTIONS])
    says = f"There is no {what} {quoted(short)}; there {'is' if len(names) == 1 else 'are'} {known}."
    shown = [zone_word(name) if what == "zone" else f"the {what} {name}" for name in names[:MOST_SUGGESTIONS]]
    return Unclear(says, tuple(template.format(name) for name in shown))


# Classes ---------------------------------------------------------------------------------------------------------


def find_target(phrase: str, context: OrderContext, template: str = "{}") -> Target | Unclear:
    """What a noun means to the detector; a question where it means nothing, or only something wider."""
    words, known = context.words, context.known_labels
    if not known:
        return Unclear("No stage tells kinds of objects apart yet.", ("Add object detection",))
    if not bare(phrase):
        return Unclear("What is meant? Say its name.")
    target = words.resolve(phrase, known)
    if target is not None and not target.narrow:
        return target
    if target is not None:
        plural = joined([words.plural(label) for label in target.labels])
        says = f"The detector cannot tell a {target.word} from other {plural}."
        return Unclear(says, tuple(template.format(words.one(label)) for label in target.labels[:MOST_SUGGESTIONS]))
    near = words.similar(phrase, known) or words.mentioned(phrase, known)
    says = f"The detector does not know {quoted(bare(phrase))}."
    unknown = "" if near else bare(phrase)
    return Unclear(says, tuple(template.format(words.one(label)) for label in near[:MOST_SUGGESTIONS]), unknown)


def find_labels(phrase: str, context: OrderContext, template: str) -> tuple[str, ...] | Unclear:
    """The classes that "cats and dogs" names; none for "everything"."""
    labels: list[str] = []
    for part in [phrase] if context.words.resolve(phrase, context.known_labels) else list_of(phrase, either=True):
        target = find_target(part, context, template)
        if isinstance(target, Unclear):
            return target
        if target.track_id is not None or target.colour:
            what = f"#{target.track_id}" if target.track_id is not None else target.colour
            says = f"That works for kinds of objects, not for {quoted(what)}."
            track = (f"Select #{target.track_id}",) if target.track_id is not None else ()
            return Unclear(says, track or tuple(template.format(context.words.plural(one)) for one in target.labels))
        if not target.labels:
            return () if part == phrase else Unclear("All kinds, or only some of them?")
        labels += target.labels
    return tuple(dict.fromkeys(labels))
