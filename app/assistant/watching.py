"""Watching: tells what the user's watches have seen, after a model has confirmed it where a rule wants that."""

from __future__ import annotations

import re
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.looking import evidence_of_pictures, pictures_for, said_by_looking
from scenescope.app.assistant.message_book import MessageBook
from scenescope.app.assistant.parts import Parts
from scenescope.app.assistant.rules import LABEL
from scenescope.models import EventKind, LogEvent, ScenescopeError
from scenescope.models.language import Evidence, LanguageModel, Message, MessageKind
from scenescope.pipelines.sampler import Reason
from scenescope.pipelines.watches.sink import WatchHit

__all__ = ["Watching"]

MAX_WAITING = 5
MAX_CHARS = 500
UNCONFIRMED = "No model was free to confirm it."
NOT_IN_TIME = "Not confirmed: the assistant was closed first."
OVER_BUDGET = "Not confirmed: for watches, a model looks no more often than once in {:.0f} s."
UNSURE = "Not confirmed."
VERDICTS = {"yes": "confirms it", "no": "does not confirm it"}


@dataclass(frozen=True)
class _Mark:
    """A mark on the timeline."""

    session_id: int
    event: LogEvent


class Watching:
    """Takes hits on the thread of the sink, and posts messages.

    A rule with a question is told at once, and again when a model has answered it: a no, too, since the detector did
    see something. Where none can look, it fails, or has looked for a watch just before, the message and the mark say
    that nobody confirmed it.

    Attributes:
        last_hit: when each watch was last told, Unix time, by name.
    """

    def __init__(self, parts: Parts, book: MessageBook, jobs: Jobs, looker: Callable[[], LanguageModel | None]) -> None:
        self._parts = parts
        self._book = book
        self._jobs = jobs
        self._looker = looker
        self._lock = threading.Lock()
        self._unanswered: dict[int, Message] = {}
        self.last_hit: dict[str, float] = {}

    def take(self, hit: WatchHit) -> None:
        """A watch has seen what it waits for."""
        self.last_hit[hit.rule.name] = hit.wall_s
        evidence = (Evidence(hit.frame_index, hit.pts_s, next(iter(hit.track_ids), None)),)
        message = Message(
            0, MessageKind.WATCH, LABEL, hit.text, hit.wall_s, hit.pts_s, evidence, hint=hit.rule.name, checked=True
        )
        mark = self._mark(hit)
        model = self._looker() if hit.rule.question else None
        if not hit.rule.question:
            self._book.post(message)
        elif model is None or self._jobs.waiting >= MAX_WAITING:
            self._book.post(replace(message, notes=(UNCONFIRMED,)))
        else:
            posted = self._book.post(replace(message, doing=f"Asking {model.label} to confirm"))
            with self._lock:
                self._unanswered[posted.message_id] = posted
            if not self._jobs.add(lambda: self._answer(self._confirmed(hit, mark, posted, model))):
                self._answer(replace(posted, doing="", notes=(UNCONFIRMED,)))

    def close(self) -> None:
        """Tell of what still waits that nobody confirmed it; after the jobs were closed."""
        with self._lock:
            waiting = tuple(self._unanswered.values())
        for message in waiting:
            self._answer(replace(message, doing="", notes=(NOT_IN_TIME,)))

    def _answer(self, message: Message) -> None:
        """Tell what came of a confirmation, once."""
        with self._lock:
            first = self._unanswered.pop(message.message_id, None) is not None
        if first:
            self._book.put(message)

    def _mark(self, hit: WatchHit, verdict: str = UNSURE, before: _Mark | None = None) -> _Mark | None:
        """Put a mark on the timeline, so that the moment is found again; in the place of the one ``before``."""
        session_id = self._parts.session_id() if before is None else before.session_id
        if self._parts.log is None or session_id is None:
            return None
        text = f"{hit.rule.name}: {hit.text}{f' {verdict}' if hit.rule.question else ''}"
        event = LogEvent(EventKind.MARK, hit.pts_s, hit.frame_index, text=text, wall_s=hit.wall_s)
        try:
            if before is not None:
                self._parts.log.retract(session_id, [before.event])
            self._parts.log.add(session_id, [event])
        except ScenescopeError:
            # The log says by itself that it cannot be written.
            return None
        return _Mark(session_id, event)

    def _confirmed(self, hit: WatchHit, mark: _Mark | None, message: Message, model: LanguageModel) -> Message:
        whole = replace(message, doing="")
        sampler = self._parts.sampler
        try:
            # By the time that it is its turn, something else may be in the picture.
            purpose = f"watch {hit.rule.name}"
            pictures = pictures_for(self._parts, model, purpose, at_s=hit.pts_s, may_ask=False)
            if sampler is not None and not sampler.begin(Reason.WATCH):
                return replace(whole, notes=(OVER_BUDGET.format(sampler.interval_s),))
            question = f"{hit.rule.question} Begin with yes or no."
            answer = said_by_looking(self._parts, model, question, pictures, purpose)
        except ScenescopeError as error:
            return replace(whole, notes=(f"Not confirmed: {error.user_message}",))
        except Exception as error:
            # A provider may come from a plugin; its bug must not hide what the detector saw.
            traceback.print_exception(error)
            return replace(whole, notes=(f"Not confirmed: {model.label} failed: {type(error).__name__}: {error}",))
        word = re.match(r"\W*(\w*)", answer)
        verdict = VERDICTS.get(word[1].casefold() if word is not None else "", "gives no clear answer")
        if mark is not None:
            self._mark(hit, f"{model.label} {verdict}.", mark)
        evidence = (*whole.evidence, *evidence_of_pictures(pictures))
        return replace(
            whole,
            text=f"{hit.text} {model.label} {verdict}: {' '.join(answer.split())}"[:MAX_CHARS],
            pictures=pictures,
            evidence=tuple(dict.fromkeys(evidence)),
            # What the model says of it is not.
            checked=False,
        )
