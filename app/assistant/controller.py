"""Assistant: keeps the conversation, has the scene described as it changes, and questions and orders answered."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from scenescope.app.assistant.asked import Asked
from scenescope.app.assistant.describing import Describing
from scenescope.app.assistant.history import History
from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.ledger import Ledger
from scenescope.app.assistant.message_book import MAX_MESSAGES, MessageBook
from scenescope.app.assistant.parts import Parts
from scenescope.app.assistant.rules import RulesProvider
from scenescope.app.assistant.turn import YOU, Turn
from scenescope.app.assistant.watching import Watching
from scenescope.app.assistant.words import vocabulary
from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import (
    Change,
    LanguageModel,
    Message,
    MessageKind,
    ModelState,
    Phase,
    Reach,
    Role,
    farthest,
)
from scenescope.pipelines.log.talk import ActionRecord
from scenescope.pipelines.watches.sink import WatchHit

__all__ = ["MAX_MESSAGES", "Assistant"]

MAX_QUESTION_CHARS = 500
MAX_WAITING = 3
CLOSE_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1


class Assistant:
    """The conversation about one observer's scene. A :class:`~scenescope.models.language.Conversation`.

    Questions and orders are worked on one after another on a thread of its own; what the user typed goes before a
    description that is under way. What the user clicks does not wait for an answer, unless it is about that answer.
    Descriptions by rule are made on the observer's thread.

    Args:
        parts: what it works with.
        describer, answerer: who describes and who answers; the built-in rules where None. Two different objects,
            unless it is one that does both by looking: while one answers, it may ask the other to look.
    """

    def __init__(
        self, parts: Parts, *, describer: LanguageModel | None = None, answerer: LanguageModel | None = None
    ) -> None:
        self._parts = parts
        self._rules = RulesProvider(parts.facts, parts.knowledge, orders=parts.orders is not None)
        self._ledger = Ledger(self._note_action)
        self._book = MessageBook(lambda: parts.knowledge.session_id if parts.knowledge is not None else None)
        self._asked_before = Asked()
        self._jobs = Jobs("assistant")
        self._clicks = Jobs("assistant-clicks")
        self._lock = threading.Lock()
        self._turn: Turn | None = None
        self._waiting: dict[Turn, Callable[[Message], None]] = {}
        self._leaving: list[LanguageModel] = []
        self._describer: LanguageModel = describer or self._rules
        self._answerer: LanguageModel = answerer or self._rules
        self._describing = Describing(parts, self._rules, self._book, self._jobs)
        self._describing.model = self._describer
        self._watching = Watching(parts, self._book, self._jobs, lambda: self._looker)
        self._history = History(parts.log.talk, lambda: parts.observer.state.source) if parts.log is not None else None
        if self._history is not None:
            self._book.subscribe(self._history.take)

    def close(self) -> None:
        """Stop listening and end what is under way."""
        self._describing.close()
        self.stop()
        self._jobs.close(CLOSE_WITHIN_S)
        self._watching.close()
        self._clicks.close(CLOSE_WITHIN_S)
        for model in {id(one): one for one in (self._describer, self._answerer, *self._leaving)}.values():
            model.close()
        if self._history is not None:
            self._history.close()

    # Who ---------------------------------------------------------------------------------------------------------

    def set_models(self, describer: LanguageModel | None, answerer: LanguageModel | None) -> None:
        """Let others describe and answer from now on, the rules where None; who did so before is closed."""
        former = {id(one): one for one in (self._describer, self._answerer)}
        self._describer, self._answerer = describer or self._rules, answerer or self._rules
        self._describing.model = self._describer
        for number, model in former.items():
            if number not in (id(self._describer), id(self._answerer)):
                self._leaving.append(model)
                model.cancel()
                self._jobs.add(partial(self._see_off, model))

    def _see_off(self, model: LanguageModel) -> None:
        """Close one that nothing is asked any more."""
        self._leaving.remove(model)
        model.close()

    @property
    def label(self) -> str:
        """Who answers."""
        return self._answerer.label

    @property
    def reach(self) -> Reach:
        """Where pictures go: the farthest of those who describe and answer."""
        return farthest(self._describer.reach, self._answerer.reach)

    @property
    def state(self) -> ModelState:
        """How whoever answers is, or what is wrong with whoever describes."""
        states = (self._answerer.state, self._describer.state)
        return next((state for state in states if state.phase is not Phase.READY), states[0])

    @property
    def _looker(self) -> LanguageModel | None:
        """Who can look at pictures."""
        return next((one for one in (self._describer, self._answerer) if Role.LOOK in one.roles), None)

    # What was said -----------------------------------------------------------------------------------------------

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said so far, oldest first; of a long conversation the latest."""
        return self._book.messages

    def clear(self) -> tuple[Message, ...]:
        """Forget the messages and return them. They stay in the history, and another conversation begins there."""
        removed = self._book.clear()
        self.forget_earlier()
        if self._history is not None:
            self._history.begin_anew()
        return removed

    def forget_earlier(self) -> None:
        """Whoever answers is told nothing of what was asked before."""
        self._asked_before.forget()

    def restore(self, messages: tuple[Message, ...]) -> None:
        """Put messages that :meth:`clear` returned back before the others."""
        self._book.restore(messages)
        if self._history is not None:
            self._history.go_on()

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Be told every message, new or grown. A listener must be quick; it runs on the thread that made it."""
        return self._book.subscribe(listener)

    @property
    def keeps_history(self) -> bool:
        """Whether what is said is kept in the log."""
        return self._history is not None and self._history.enabled

    def keep_history(self, on: bool) -> None:
        """Keep what is said from now on in the log, or not."""
        if self._history is not None:
            self._history.enabled = on

    def _note_action(self, record: ActionRecord) -> None:
        """Its arguments hold the user's words, so it is kept where those are."""
        if self.keeps_history and self._parts.log is not None:
            self._parts.log.talk.add_action(record)

    # Describing --------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """True while the scene is not described."""
        return self._describing.paused

    def set_paused(self, paused: bool) -> None:
        """Stop or go on describing. What changed during a pause is described together after it."""
        self._describing.paused = paused
        if paused:
            self._describing.stop(resume=True)

    def describe(self) -> None:
        """Describe the scene now, changed or not."""
        self._describing.describe_now()

    # Asking ------------------------------------------------------------------------------------------------------

    def ask(self, text: str) -> None:
        """Ask or order something about the scene as it is now."""
        self._begin(text)

    def answer(self, text: str, timeout_s: float = math.inf, interrupted: threading.Event | None = None) -> Message:
        """Ask, and wait for the answer; when ``interrupted`` is set, for what was said until then.

        Raises:
            AssistantError: it took longer than ``timeout_s``; it is stopped then.
        """
        done = threading.Event()
        found: list[Message] = []

        def take(message: Message) -> None:
            found.append(message)
            done.set()

        self._begin(text, take)
        until_s = time.monotonic() + timeout_s
        while not done.wait(min(LOOK_EVERY_S, max(until_s - time.monotonic(), 0.0))):
            if interrupted is not None and interrupted.is_set():
                self.stop()
            elif time.monotonic() >= until_s:
                self.stop()
                raise AssistantError(
                    f"{self.label} took longer than {timeout_s:g} s.", hint="Ask again, or choose another."
                )
        return found[0]

    def _begin(self, text: str, then: Callable[[Message], None] = lambda message: None) -> None:
        question = " ".join(text.split())
        scene = self._parts.observer.state
        pts_s = scene.pts_s if scene.frame_index >= 0 else None
        shown = question[:MAX_QUESTION_CHARS]
        asked = self._book.post(Message(0, MessageKind.QUESTION, YOU, shown, time.time(), pts_s))
        refusal: tuple[str, str] | None = None
        if len(question) > MAX_QUESTION_CHARS:
            # Its beginning alone may mean something else.
            refusal = f"This is longer than {MAX_QUESTION_CHARS} characters.", "Say it in fewer words."
        elif len(self._waiting) >= MAX_WAITING:
            refusal = "Too many questions wait already.", "Wait for an answer, or press Stop."
        if refusal is not None:
            why, hint = refusal
            then(self._book.post(Message(0, MessageKind.ERROR, self.label, why, time.time(), pts_s, hint=hint)))
            return
        self._describing.stop(resume=True)
        turn = Turn(
            self._parts,
            self._rules,
            self._answerer,
            lambda: self._looker,
            self._ledger,
            self._book,
            asked,
            self._asked_before,
        )

        def run() -> None:
            with self._lock:
                if self._waiting.pop(turn, None) is None:
                    return  # It was stopped before it began, and that was said.
                self._turn = turn
                # Somebody else may have been chosen while it waited.
                turn.model = self._answerer
            try:
                message = turn.run(undo=self._undo_last)
            except Exception as error:
                # A provider may come from a plugin; its bug must not end the conversation.
                traceback.print_exception(error)
                message = turn.failed(f"{self.label} failed: {type(error).__name__}: {error}")
            finally:
                self._turn = None
            then(message)

        with self._lock:
            self._waiting[turn] = then
        if not self._jobs.add(run):
            self._waiting.pop(turn, None)
            then(turn.failed("The assistant is closed."))

    def stop(self) -> None:
        """End what is being said and done; what was said so far stays."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            turn = self._turn
        if turn is not None:
            turn.cancel()
        self._describing.stop()
        for model in (self._answerer, self._describer):
            model.cancel()
        for left, then in waiting.items():
            then(left.failed("Stopped before it began."))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is being said or done; False when that takes longer."""
        return self._jobs.wait(timeout_s) and self._clicks.wait(timeout_s)

    def examples(self) -> tuple[str, ...]:
        """Questions that can be answered now, and an order if orders are carried out."""
        scene = self._parts.observer.state
        questions = self._rules.examples(scene)
        if self._parts.orders is None or not scene.known_labels:
            return questions
        return (*questions[:3], f"Tell me when {vocabulary().one(scene.known_labels[0])} appears")

    # Changes and proposals ---------------------------------------------------------------------------------------

    def accept(self, proposal_id: int) -> None:
        """Do what was proposed."""
        self._click(lambda: self._accepted(proposal_id), lambda message: _proposes(message, proposal_id))

    def dismiss(self, proposal_id: int) -> None:
        """Do not do what was proposed."""
        self._click(lambda: self._dismissed(proposal_id), lambda message: _proposes(message, proposal_id))

    def undo(self, change_id: int) -> None:
        """Take back what was done."""
        self._click(lambda: self._undone(change_id), lambda message: _changes(message, change_id))

    def _click(self, act: Callable[[], object], about: Callable[[Message], bool]) -> None:
        """Do something soon; with a message that still grows, after it is whole."""
        grows = any(message.doing and about(message) for message in self.messages)
        (self._jobs if grows else self._clicks).add(lambda: self._tried(act))

    def _tried(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ScenescopeError as error:
            problem, hint = error.user_message, error.hint
        except Exception as error:
            # A stage may come from a plugin; what became of its bug must be said.
            traceback.print_exception(error)
            problem, hint = f"It failed: {type(error).__name__}: {error}", ""
        else:
            return
        self._book.post(Message(0, MessageKind.ERROR, self._rules.label, problem, time.time(), hint=hint))

    def _accepted(self, proposal_id: int) -> None:
        try:
            made = self._ledger.accept(proposal_id)
        finally:
            self._show_proposal(proposal_id)
        if isinstance(made, Change):
            self._change_message(
                lambda message: _proposes(message, proposal_id),
                lambda message: replace(message, changes=(*message.changes, made)),
            )

    def _dismissed(self, proposal_id: int) -> None:
        self._ledger.dismiss(proposal_id)
        self._show_proposal(proposal_id)

    def _show_proposal(self, proposal_id: int) -> None:
        now = self._ledger.proposal(proposal_id)
        if now is None:
            return
        self._change_message(
            lambda message: _proposes(message, proposal_id),
            lambda message: replace(
                message, proposals=tuple(now if one.proposal_id == proposal_id else one for one in message.proposals)
            ),
        )

    def _undone(self, change_id: int) -> None:
        now = self._ledger.undo(change_id)
        self._change_message(
            lambda message: _changes(message, change_id),
            lambda message: replace(
                message, changes=tuple(now if one.change_id == change_id else one for one in message.changes)
            ),
        )

    def _change_message(self, fits: Callable[[Message], bool], change: Callable[[Message], Message]) -> None:
        for message in self.messages:
            if fits(message):
                self._book.change(message.message_id, change)

    def _undo_last(self) -> tuple[Change, str] | None:
        """Take back the latest change of this conversation that still stands, unless that needs a click on it.

        Returns:
            The change, and why it was not taken back, "" when it was; None if there is no change.
        """
        for message in reversed(self.messages):
            for change in reversed(message.changes):
                if change.undoable and not change.undone:
                    why = self._ledger.undo_asks(change.change_id)
                    if not why:
                        self._undone(change.change_id)
                    return change, why
        return None

    def known_labels(self) -> tuple[str, ...]:
        """What the detector can tell apart now."""
        return self._parts.observer.state.known_labels

    # Watches -----------------------------------------------------------------------------------------------------

    def watch_hit(self, hit: WatchHit) -> None:
        """A watch has seen what it waits for; on the thread of the sink."""
        self._watching.take(hit)

    def last_hit(self, name: str) -> float | None:
        """When a watch of this name was last told, Unix time; None when it was not since the program started."""
        return self._watching.last_hit.get(name)


def _changes(message: Message, change_id: int) -> bool:
    return any(one.change_id == change_id for one in message.changes)


def _proposes(message: Message, proposal_id: int) -> bool:
    return any(one.proposal_id == proposal_id for one in message.proposals)
