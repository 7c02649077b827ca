"""RulesProvider: describes and answers by rule, without a model and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scenescope.app.assistant.answers import SceneAnswers
from scenescope.app.assistant.describe import describe
from scenescope.app.assistant.grammar import Intent, Query, order_of, parse
from scenescope.app.assistant.phrases import Answer
from scenescope.app.assistant.suggest import MAX_SUGGESTIONS, Suggester
from scenescope.app.assistant.words import Vocabulary, joined, vocabulary
from scenescope.models import AssistantError
from scenescope.models.language import Done, Evidence, ModelState, Reach, Request, Role, StreamEvent, TextDelta
from scenescope.pipelines.events import SourcePhase, SourceState, StagePhase, StageState
from scenescope.pipelines.scene_state import SceneState

__all__ = ["LABEL", "Facts", "RulesProvider"]

LABEL = "Rules, not AI"
HELP = (
    "I answer by fixed rules, without AI, about what the detector sees: how many, is there, where, what colour, "
    "what moves, how long, first and last seen, what changed. I also know which stages run and whether the source is "
    "live. I change nothing."
)
NOT_UNDERSTOOD = "I did not understand that. I answer a few kinds of questions by fixed rules; these come nearest."
MAX_QUOTED_CHARS = 40
MAX_NOUN_WORDS = 3

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
        words: the vocabulary; the built-in one by default.
    """

    label = LABEL
    reach = Reach.THIS_COMPUTER
    state = ModelState()
    roles = frozenset({Role.DESCRIBE, Role.ANSWER})

    def __init__(self, facts: Callable[[], Facts] = Facts, words: Vocabulary | None = None) -> None:
        self._facts = facts
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
            answer = describe(before, scene, self._words)
        else:
            answer = self.answer(request.question, scene)
        if answer is None:
            yield Done()
            return
        yield TextDelta(answer.text)
        yield Done(answer.evidence, answer.suggestions)

    def cancel(self) -> None:
        """Do nothing: an answer is there before it could be cancelled."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def examples(self, scene: SceneState) -> tuple[str, ...]:
        """Questions that fit the scene."""
        return self._suggester.examples(scene)

    def answer(self, question: str, scene: SceneState) -> Answer:
        """The answer to one question."""
        query = parse(question, self._words, scene.known_labels)
        if query is None:
            return self._order(question, scene) or self._not_understood(question, scene)
        match query.intent:
            case Intent.HELP:
                return Answer(HELP, suggestions=self._suggester.examples(scene))
            case Intent.STAGES:
                return self._stages()
            case Intent.LIVE:
                return self._live(scene)
        if not scene.watching and not (query.intent is Intent.KNOWN and scene.known_labels):
            return self._blind(scene)
        if query.unknown:
            return self._unknown(question, query, scene)
        return _SCENE_ANSWERS[query.intent](SceneAnswers(scene, self._words), query)

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
        text = f"That is an order ('{verb}'), and I only answer questions: I have changed nothing. {where}"
        return Answer(text, suggestions=self._suggester.nearest(question, scene))

    def _not_understood(self, question: str, scene: SceneState) -> Answer:
        return Answer(NOT_UNDERSTOOD, suggestions=self._suggester.nearest(question, scene))

    def _unknown(self, question: str, query: Query, scene: SceneState) -> Answer:
        phrase, known = query.unknown, scene.known_labels
        quoted = phrase if len(phrase) <= MAX_QUOTED_CHARS else f"{phrase[: MAX_QUOTED_CHARS - 1]}…"
        similar = self._words.similar(phrase, known)
        if similar:
            meant = " or ".join(self._words.plural(label) for label in similar)
            return Answer(f"I do not know '{quoted}'. Did you mean {meant}?", suggestions=self._about(query, similar))
        mentioned = self._words.mentioned(phrase, known)
        if mentioned:
            things = joined([self._words.plural(label) for label in mentioned])
            text = f"I cannot tell '{quoted}'. Of {things} I know only the kind, place, colour, motion and time."
            return Answer(text, suggestions=self._about(query, mentioned))
        if len(phrase.split()) > MAX_NOUN_WORDS or self._words.pronouns & set(phrase.split()):
            return self._order(question, scene) or self._not_understood(question, scene)
        text = f"The detector does not know '{quoted}'; it knows {len(known)} things such as {joined(known[:5])}."
        return Answer(text, suggestions=self._suggester.nearest(question, scene))

    def _about(self, query: Query, labels: list[str]) -> tuple[str, ...]:
        questions = [self._suggester.about(query.intent, label) for label in labels]
        return tuple(questions[:MAX_SUGGESTIONS])
