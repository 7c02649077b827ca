"""RulesProvider: describes and answers by rule, without a model and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from scenescope.app.assistant.answers import SceneAnswers
from scenescope.app.assistant.describe import describe
from scenescope.app.assistant.grammar import IN_TIME, Intent, Query, order_of, parse
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.log_answers import NO_LOG, LogAnswers
from scenescope.app.assistant.log_phrases import quoted
from scenescope.app.assistant.phrases import Answer, capitalised
from scenescope.app.assistant.place_words import normalised, similar_names
from scenescope.app.assistant.spans import Span
from scenescope.app.assistant.suggest import MAX_SUGGESTIONS, Suggester
from scenescope.app.assistant.words import Vocabulary, joined, vocabulary
from scenescope.models import AssistantError, EventKind, LogEvent, SinkError
from scenescope.models.language import Done, Evidence, ModelState, Reach, Request, Role, StreamEvent, TextDelta
from scenescope.pipelines.events import SourcePhase, SourceState, StagePhase, StageState
from scenescope.pipelines.log.names import SessionNames
from scenescope.pipelines.scene_state import SceneState

__all__ = ["LABEL", "Facts", "RulesProvider"]

LABEL = "Rules, not AI"
HELP = (
    "I answer by fixed rules, without AI, about what the detector sees: how many, is there, where, what colour, "
    "what moves, how long, first and last seen, what changed; and from the event log about any time before: who "
    "crossed a line, entered or left a zone, how often, when and for how long. I also know which stages run and "
    "whether the source is live."
)
ORDERS = (
    " And I carry out orders, as long as I understand them whole: add, set, switch, move and remove stages, track "
    "something, blur faces, play and go to a time; each change is shown, and Undo takes it back. With 'tell me when a "
    "dog appears' I watch for something."
)
NOT_UNDERSTOOD = "I did not understand that. I answer a few kinds of questions by fixed rules; these come nearest."
NEITHER_UNDERSTOOD = (
    "I did not understand that. I know some kinds of questions and orders by fixed rules; these come nearest."
)
MAX_QUOTED_CHARS = 40
MAX_NOUN_WORDS = 3
MAX_NAMES = 6
OVER = "That session is over: I know what happened in it, but nothing is in the picture now."
BEHIND = " The event log is behind, so the newest moments may be missing."
# What happens in zones and over lines becomes certain a little later than it happens.
LATE_S = 3.0
_TOLD_KINDS = (
    EventKind.LINE_CROSS,
    EventKind.ZONE_ENTER,
    EventKind.ZONE_LEAVE,
    EventKind.DWELL,
    EventKind.SPEED,
)

_SCENE_ANSWERS = {
    Intent.COUNT: SceneAnswers.count,
    Intent.PRESENT: SceneAnswers.present,
    Intent.LIST: SceneAnswers.list_all,
    Intent.WHERE: SceneAnswers.where,
    Intent.HOW_LONG: SceneAnswers.how_long,
    Intent.FIRST_SEEN: SceneAnswers.first_seen,
    Intent.LAST_SEEN: SceneAnswers.last_seen,
    Intent.CHANGES: SceneAnswers.changes,
    Intent.MOVING: SceneAnswers.moving,
    Intent.COLOUR: SceneAnswers.colour,
    Intent.KNOWN: SceneAnswers.known,
}


@dataclass(frozen=True)
class Facts:
    """What the rules may know besides the scene.

    Attributes:
        source: the state of the source, None when that is not known.
        stages: the stages of the pipeline as they are, None when that is not known.
        menu: what the menus have, and where: "Pipeline > Add stage… (Ctrl+Shift+A)".
    """

    source: SourceState | None = None
    stages: tuple[StageState, ...] | None = None
    menu: tuple[str, ...] = ()


class RulesProvider:
    """Answers the questions of ``resources/prompts/questions.yaml`` and describes what changes.

    A :class:`~scenescope.models.language.LanguageModel`. What it does not understand it does not act on: it offers the
    nearest questions that it does understand.

    Args:
        facts: called for every question that is not about the scene.
        knowledge: what happened before; without it only the scene is known. Answers wait for the log, so they are not
            made on the window's thread.
        words: the vocabulary; the built-in one by default.
        orders: somebody carries out the orders that :func:`~scenescope.app.assistant.orders.parse_order` understands;
            what is asked here about orders is answered accordingly.
    """

    label = LABEL
    reach = Reach.THIS_COMPUTER
    state = ModelState()
    roles = frozenset({Role.DESCRIBE, Role.ANSWER})

    def __init__(
        self,
        facts: Callable[[], Facts] = Facts,
        knowledge: Knowledge | None = None,
        words: Vocabulary | None = None,
        orders: bool = False,
    ) -> None:
        self._facts = facts
        self._orders = orders
        self._knowledge = knowledge
        self._told_id = 0
        self._words = words or vocabulary()
        self._suggester = Suggester(self._words)

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Answer at once.

        Raises:
            AssistantError: the scene is not a :class:`~scenescope.pipelines.scene_state.SceneState`.
        """
        scene, before = request.scene, request.scene_before
        if not isinstance(scene, SceneState) or not isinstance(before, SceneState | None):
            raise AssistantError("The rules cannot read this kind of scene.", permanent=True)
        if request.role is Role.DESCRIBE:
            answer = describe(before, scene, self._words, self._happened(before, scene))
        else:
            answer = self.answer(request.question, scene)
        if answer is None:
            yield Done()
            return
        yield TextDelta(answer.text)
        yield Done(answer.evidence, answer.suggestions, sure=answer.sure)

    def cancel(self) -> None:
        """Do nothing: an answer is there before it could be cancelled."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def examples(self, scene: SceneState) -> tuple[str, ...]:
        """Questions that fit the scene."""
        return self._suggester.examples(scene)

    def understands(self, question: str, scene: SceneState | None = None) -> bool:
        """Whether a question is understood whole, so that the answer is exact. Reads the names in the event log."""
        if scene is None:
            scene = SceneState() if self._knowledge is None else self._knowledge.scene
        try:
            names = self._names(scene)
        except SinkError:
            names = None
        query = self._parsed(question, scene, names)
        return query is not None and query.known

    def is_open(self, question: str, scene: SceneState | None = None) -> bool:
        """Whether a question asks for no more than a description, so that a look says more than the rules do."""
        scene = scene or (SceneState() if self._knowledge is None else self._knowledge.scene)
        query = self._parsed(question, scene, None)
        return query is not None and query == Query(Intent.LIST)

    def is_order(self, question: str) -> bool:
        """Whether words begin like an order, understood or not."""
        return bool(order_of(question, self._words))

    def answer(self, question: str, scene: SceneState) -> Answer:
        """The answer to one question. Waits for what has happened to be in the log, for 2 s at most."""
        try:
            return self._answer(question, scene, self._names(scene))
        except SinkError as error:
            return Answer(f"{error.user_message} {error.hint}".strip())

    def _answer(self, question: str, scene: SceneState, names: SessionNames | None) -> Answer:
        query = self._parsed(question, scene, names)
        if query is None:
            return self._order(question, scene) or self._not_understood(question, scene, names)
        match query.intent:
            case Intent.HELP:
                text = f"{HELP}{ORDERS}" if self._orders else HELP
                return Answer(text, suggestions=self._suggester.examples(scene, names))
            case Intent.STAGES:
                return self._stages()
            case Intent.LIVE:
                return self._live(scene)
        knowledge = None if self._knowledge is None else self._knowledge.at(scene)
        kept = knowledge is not None and knowledge.session is not None
        over = kept and scene.frame_index < 0
        if over and query.intent in IN_TIME:
            query = replace(query, intent=IN_TIME[query.intent])
        of_past = query.period is not None or query.intent not in _SCENE_ANSWERS
        blind = not scene.watching and not (query.intent is Intent.KNOWN and scene.known_labels)
        if blind and not kept and not of_past:
            return self._blind(scene)
        if query.unknown:
            return self._unknown(question, query, scene, names)
        if query.unknown_place:
            return self._unknown_place(question, query, scene, names)
        answer = None if knowledge is None else self._from_log(query, knowledge)
        if answer is not None:
            return answer
        if of_past:
            return Answer(NO_LOG, suggestions=self._suggester.nearest(question, scene))
        if blind:
            return Answer(OVER) if over else self._blind(scene)
        return _SCENE_ANSWERS[query.intent](SceneAnswers(scene, self._words), query)

    def _from_log(self, query: Query, knowledge: Knowledge) -> Answer | None:
        """The answer that the log gives; None where it is about now."""
        if not LogAnswers.can(query):
            return None
        written = knowledge.flush()
        answer = LogAnswers(knowledge, self._words).answer(query)
        return answer if answer is None or written else replace(answer, text=f"{answer.text}{BEHIND}")

    def _parsed(self, question: str, scene: SceneState, names: SessionNames | None) -> Query | None:
        return parse(question, self._words, self._known(scene, names), names or SessionNames())

    def _names(self, scene: SceneState) -> SessionNames | None:
        """The zones and lines that can be asked about; None where no log is kept."""
        return None if self._knowledge is None else self._knowledge.at(scene).names

    def _known(self, scene: SceneState, names: SessionNames | None) -> tuple[str, ...]:
        """The classes that can be asked about. What the detector of an earlier session knew, nobody has noted."""
        if scene.known_labels or names is None:
            return scene.known_labels
        return tuple(dict.fromkeys((*names.labels, *self._words.labels)))

    def _happened(self, before: SceneState | None, scene: SceneState) -> list[LogEvent]:
        """What the log has of zones and lines and was not told yet, without waiting for it."""
        if self._knowledge is None or before is None or before.session != scene.session:
            return []
        try:
            events = self._knowledge.at(scene).events(Span(before.pts_s - LATE_S), _TOLD_KINDS, limit=-1)
        except SinkError:
            # The log says by itself that it cannot be read; the scene is described all the same.
            return []
        fresh = [event for event in events if (event.id or 0) > self._told_id]
        self._told_id = max([self._told_id, *(event.id or 0 for event in fresh)])
        return fresh

    # The app -----------------------------------------------------------------------------------------------------

    def _stages(self) -> Answer:
        stages = self._facts().stages
        if stages is None:
            return Answer("I cannot see the pipeline here.")
        if not stages:
            return Answer("No stage runs: the pipeline is empty.")
        ready = [stage for stage in stages if stage.phase is StagePhase.READY]
        names = [f"{stage.stage_id} ({stage.device})" if stage.device else stage.stage_id for stage in ready]
        sentences = [f"{joined(names)} {'runs' if len(ready) == 1 else 'run'}." if ready else "No stage runs now."]
        for stage in stages:
            if stage.phase is not StagePhase.READY:
                reason = f": {stage.message.rstrip('.')}" if stage.message else ""
                sentences.append(f"{stage.stage_id} is {stage.phase.value}{reason}.")
        return Answer(" ".join(sentences))

    def _live(self, scene: SceneState) -> Answer:
        source = self._facts().source
        if source is None:
            return Answer("I cannot see the source here.")
        if source.info is None:
            return Answer(f"No source is open. {source.message}".strip())
        kind = "a live source" if source.info.live else "not live: it is a file"
        trouble = source.phase in (SourcePhase.FAILED, SourcePhase.RECONNECTING) and source.message
        text = (
            f"{source.info.name} is {kind}. Its state: {source.phase.value}.{f' {source.message}' if trouble else ''}"
        )
        return Answer(text, (Evidence(scene.frame_index, scene.pts_s),) if scene.frame_index >= 0 else ())

    # What cannot be answered -------------------------------------------------------------------------------------

    def _blind(self, scene: SceneState) -> Answer:
        if scene.frame_index < 0:
            return Answer("I have not seen a picture yet: no source has played.")
        if any(stage.phase is StagePhase.LOADING for stage in self._facts().stages or ()):
            return Answer("A stage is still loading, and nothing has reported objects yet.")
        return Answer("No stage reports objects, so I do not know what is in the picture. A detector stage would.")

    def _order(self, question: str, scene: SceneState) -> Answer | None:
        verb = order_of(question, self._words)
        if not verb:
            return None
        entries = self._suggester.menu_entries(question, verb, self._facts().menu)
        where = f"In the menus: {'; '.join(entries)}." if entries else "Look in the menus, or press Ctrl+K and type it."
        why = "I do not understand it whole" if self._orders else "I only answer questions"
        text = f"That is an order ('{verb}'), and {why}: I have changed nothing. {where}"
        return Answer(text, suggestions=self._suggester.nearest(question, scene))

    def _not_understood(self, question: str, scene: SceneState, names: SessionNames | None) -> Answer:
        text = NEITHER_UNDERSTOOD if self._orders else NOT_UNDERSTOOD
        return Answer(text, suggestions=self._suggester.nearest(question, scene, names))

    def _unknown_place(self, question: str, query: Query, scene: SceneState, names: SessionNames | None) -> Answer:
        """There is no zone, line or direction of that name: which there are, and the question about those."""
        if names is None:
            return Answer(NO_LOG)
        some = {"zone": names.zones, "line": names.lines, "way": names.directions}[query.place_kind]
        what = "direction" if query.place_kind == "way" else query.place_kind
        phrase = query.unknown_place
        if not some:
            return Answer(f"There is no {what} {quoted(phrase)}: nothing is drawn on the picture.")
        shown = f"{joined([quoted(name) for name in some[:MAX_NAMES]])}{' and others' if len(some) > MAX_NAMES else ''}"
        there = f"The {what}s are {shown}" if len(some) > 1 else f"There is only {shown}"
        suggestions = []
        before, _, after = normalised(question).rpartition(phrase)
        for name in dict.fromkeys([*similar_names(phrase, some), *some]):
            text = capitalised(f"{before}'{name}'{after}?")
            meant = self._parsed(text, scene, names)
            if meant is not None and meant.known:
                suggestions.append(text)
        return Answer(
            f"There is no {what} {quoted(phrase)}. {there}.", suggestions=tuple(suggestions[:MAX_SUGGESTIONS])
        )

    def _unknown(self, question: str, query: Query, scene: SceneState, names: SessionNames | None) -> Answer:
        phrase, known = query.unknown, self._known(scene, names)
        shown = phrase if len(phrase) <= MAX_QUOTED_CHARS else f"{phrase[: MAX_QUOTED_CHARS - 1]}…"
        similar = self._words.similar(phrase, known)
        if similar:
            meant = " or ".join(self._words.plural(label) for label in similar)
            return Answer(f"I do not know '{shown}'. Did you mean {meant}?", suggestions=self._about(query, similar))
        mentioned = self._words.mentioned(phrase, known)
        if mentioned:
            things = joined([self._words.plural(label) for label in mentioned])
            text = f"I cannot tell '{shown}'. Of {things} I know only the kind, place, colour, motion and time."
            return Answer(text, suggestions=self._about(query, mentioned))
        if len(phrase.split()) > MAX_NOUN_WORDS or self._words.pronouns & set(phrase.split()):
            return self._order(question, scene) or self._not_understood(question, scene, names)
        text = f"The detector does not know '{shown}'; it knows {len(known)} things such as {joined(known[:5])}."
        if not scene.known_labels and names is not None:
            text = f"I do not know '{shown}'. In the event log there are {joined(names.labels[:5]) or 'no objects'}."
        return Answer(text, suggestions=self._suggester.nearest(question, scene, names))

    def _about(self, query: Query, labels: list[str]) -> tuple[str, ...]:
        questions = [self._suggester.about(query.intent, label) for label in labels]
        return tuple(questions[:MAX_SUGGESTIONS])
