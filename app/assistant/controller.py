"""Assistant: keeps the conversation, describes the scene as it changes, and has questions answered."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from scenescope.app.assistant.rules import Facts, RulesProvider
from scenescope.models import ScenescopeError
from scenescope.models.language import (
    Done,
    Failed,
    LanguageModel,
    Message,
    MessageKind,
    Reach,
    Request,
    Role,
    TextDelta,
)
from scenescope.pipelines.events import SourceState, StageState
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneState

__all__ = ["Assistant", "facts_of"]

MAX_MESSAGES = 500
MAX_TURNS = 20
MAX_QUESTION_CHARS = 500
YOU = "You"


class _EngineView(Protocol):
    """What of an engine the assistant reads."""

    @property
    def source_state(self) -> SourceState: ...

    @property
    def stage_states(self) -> tuple[StageState, ...]: ...


def facts_of(engine: _EngineView, menu: Callable[[], tuple[str, ...]] = tuple) -> Callable[[], Facts]:
    """What the rules may know of the app, looked up anew at every call.

    Args:
        engine: where source and stages are.
        menu: lists the entries of the menus, each with its path and shortcut.
    """
    return lambda: Facts(engine.source_state, engine.stage_states, menu())


class Assistant:
    """The conversation about one observer's scene. A :class:`~scenescope.models.language.Conversation`.

    Descriptions are made on the observer's thread, answers on the caller's; both reach the listeners there. A change
    is described at once unless the last description is younger than ``min_interval_s``; then what has changed
    meanwhile is described together. When the source ends, what was put off is said.

    Args:
        observer: what watches the scene.
        provider: who answers; the built-in rules by default.
        facts: what the rules may know of the app.
        min_interval_s: least time between two descriptions.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        observer: SceneObserver,
        provider: LanguageModel | None = None,
        *,
        facts: Callable[[], Facts] = Facts,
        min_interval_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observer = observer
        self._rules = RulesProvider(facts)
        self._provider: LanguageModel = provider or self._rules
        self._min_interval_s = min_interval_s
        self._clock = clock
        # The lock is held while listeners are told, so that they hear messages in the order of their numbers.
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._listeners: tuple[Callable[[Message], None], ...] = ()
        self._paused = False
        self._described: SceneState | None = None
        self._described_at_s = -float("inf")
        self._unsubscribe = observer.subscribe(self._on_frame)

    def close(self) -> None:
        """Stop listening to the observer."""
        self._unsubscribe()

    @property
    def label(self) -> str:
        """Who answers."""
        return self._provider.label

    @property
    def reach(self) -> Reach:
        """Where pictures go."""
        return self._provider.reach

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said so far, oldest first; of a long conversation the latest."""
        with self._lock:
            return tuple(self._messages)

    @property
    def paused(self) -> bool:
        """True while the scene is not described."""
        return self._paused

    def set_paused(self, paused: bool) -> None:
        """Stop or go on describing. What changed during a pause is described together after it."""
        self._paused = paused

    def ask(self, text: str) -> Message:
        """Have a question answered about the scene as it is now."""
        question = " ".join(text[:MAX_QUESTION_CHARS].split())
        scene = self._observer.state
        pts_s = scene.pts_s if scene.frame_index >= 0 else None
        before = tuple(m.text for m in self.messages if m.kind is MessageKind.QUESTION)[-MAX_TURNS:]
        self._post(self._message(MessageKind.QUESTION, YOU, question, pts_s))
        request = Request(Role.ANSWER, scene, question, asked_before=before)
        answer = self._said(MessageKind.ANSWER, request, pts_s)
        if not answer.text:
            answer = replace(answer, kind=MessageKind.ERROR, text=f"{self.label} gave no answer.")
        return self._post(answer)

    def examples(self) -> tuple[str, ...]:
        """Questions that can be answered now."""
        return self._rules.examples(self._observer.state)

    def clear(self) -> tuple[Message, ...]:
        """Forget the messages and return them."""
        with self._lock:
            removed = tuple(self._messages)
            self._messages.clear()
            return removed

    def restore(self, messages: tuple[Message, ...]) -> None:
        """Put messages that :meth:`clear` returned back before the others."""
        with self._lock:
            self._messages = deque((*messages, *self._messages), maxlen=MAX_MESSAGES)

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Be told every new message. A listener must be quick; it runs on the thread that made the message."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    # Describing --------------------------------------------------------------------------------------------------

    def _on_frame(self, ended: bool) -> None:
        now_s = self._clock()
        if self._paused or (now_s - self._described_at_s < self._min_interval_s and not ended):
            return
        before = self._described
        if before is not None and self._observer.news == (before.session, before.event_count, before.watching):
            return
        scene = self._observer.state
        if not self._worth_saying(before, scene):
            return
        self._described, self._described_at_s = scene, now_s
        request = Request(Role.DESCRIBE, scene, scene_before=before)
        message = self._said(MessageKind.DESCRIPTION, request, scene.pts_s)
        if message.text:
            self._post(message)

    def _worth_saying(self, before: SceneState | None, scene: SceneState) -> bool:
        if before is not None and before.session == scene.session and before.watching:
            return scene.event_count > before.event_count or not scene.watching
        # A scene is described for the first time once something is certain, or certainly nothing is there.
        return scene.watching and (bool(scene.tracks) or scene.pts_s - scene.since_s >= self._observer.vanish_s)

    # Messages ----------------------------------------------------------------------------------------------------

    def _said(self, kind: MessageKind, request: Request, pts_s: float | None) -> Message:
        """What the provider makes of a request, or the error that kept it from it."""
        text: list[str] = []
        try:
            for event in self._provider.respond(request):
                match event:
                    case TextDelta(delta):
                        text.append(delta)
                    case Done(evidence, suggestions):
                        message = self._message(kind, self.label, "".join(text), pts_s)
                        return replace(message, evidence=evidence, suggestions=suggestions)
                    case Failed(problem, hint):
                        return replace(self._message(MessageKind.ERROR, self.label, problem, pts_s), hint=hint)
        except ScenescopeError as error:
            return replace(self._message(MessageKind.ERROR, self.label, error.user_message, pts_s), hint=error.hint)
        except Exception as error:
            # A provider may come from a plugin; its bug must not end the thread that watches the scene.
            traceback.print_exception(error)
            problem = f"{self.label} failed: {type(error).__name__}: {error}"
            return self._message(MessageKind.ERROR, self.label, problem, pts_s)
        return self._message(MessageKind.ERROR, self.label, f"{self.label} broke off without an answer.", pts_s)

    def _message(self, kind: MessageKind, author: str, text: str, pts_s: float | None) -> Message:
        return Message(0, kind, author, text, time.time(), pts_s)

    def _post(self, message: Message) -> Message:
        """Number a message, keep it and tell it."""
        with self._lock:
            numbered = replace(message, message_id=next(self._numbers))
            self._messages.append(numbered)
            for listener in self._listeners:
                listener(numbered)
        return numbered
