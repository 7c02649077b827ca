"""Describing: has the scene described as it changes, by the rules or by a model that looks."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import replace

from scenescope.app.assistant.checks import Facts as Known
from scenescope.app.assistant.checks import check, empty_scene_said
from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.looking import cleared, evidence_of_pictures, pictures_for, timed
from scenescope.app.assistant.message_book import NOT_WHOLE, UNCHECKED, MessageBook
from scenescope.app.assistant.parts import Parts
from scenescope.app.assistant.rules import RulesProvider
from scenescope.models import EventKind, LogEvent, ScenescopeError
from scenescope.models.language import (
    Description,
    Done,
    Evidence,
    Failed,
    LanguageModel,
    Message,
    MessageKind,
    Phase,
    Request,
    Role,
    TextDelta,
)
from scenescope.models.language.server.describe import UNSEEN
from scenescope.pipelines.sampler import Reason
from scenescope.pipelines.scene_state import SceneState

__all__ = ["Describing"]

MAX_EVIDENCE = 8
MAX_CAPTION_CHARS = 500
NOT_CONFIRMED = "Not confirmed: "
LOOK_BACK_S = 3.0
CANNOT = (Phase.UNAVAILABLE, Phase.NEEDS_MODEL, Phase.DOWNLOADING)


class Describing:
    """Listens to the observer, and says what is new.

    By the rules a change is described at once, on the observer's thread, unless the last description is younger than
    ``min_interval_s``; then what has changed meanwhile is described together. When the source ends, what was put off
    is said. A model describes when the sampler says so, among the jobs, and never while something else is being said.
    While it cannot, the rules do; what is wrong with it is said once. What a question or a pause has interrupted is
    described later.

    Attributes:
        model: who describes.
        paused: nothing is described.
    """

    def __init__(self, parts: Parts, rules: RulesProvider, book: MessageBook, jobs: Jobs) -> None:
        self.model: LanguageModel = rules
        self.paused = False
        self._parts = parts
        self._rules = rules
        self._book = book
        self._jobs = jobs
        self._lock = threading.Lock()
        self._described: SceneState | None = None
        self._described_at_s = -float("inf")
        self._running: LanguageModel | None = None
        self._stops = 0
        self._resume = False
        self._problem = ""
        self._unsubscribe = parts.observer.subscribe(self._on_frame)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()
        self.stop()

    def stop(self, *, resume: bool = False) -> None:
        """End a description that is under way or waits; ``resume`` when the scene is to be described later instead."""
        with self._lock:
            running, self._resume = self._running, resume
            self._stops += 1
        if running is not None:
            running.cancel()

    def describe_now(self) -> None:
        """Describe the scene, changed or not."""
        if self._parts.sampler is not None:
            self._parts.sampler.begin(Reason.ASKED)
        stops = self._stops
        self._jobs.add(lambda: self._describe(self._rules if self._off else self.model, stops, asked=True))

    # When --------------------------------------------------------------------------------------------------------

    def _on_frame(self, ended: bool) -> None:
        if self.paused or self._off:
            return
        if self._model_can():
            self._look_if_due()
        else:
            self._describe_change(ended)

    @property
    def _off(self) -> bool:
        return self.model.state.phase is Phase.OFF

    def _model_can(self) -> bool:
        model = self.model
        # A server that was not reached yet is not known to describe.
        return model is not self._rules and Role.DESCRIBE in model.roles and model.state.phase not in CANNOT

    def _look_if_due(self) -> None:
        sampler = self._parts.sampler
        if sampler is not None and not self._jobs.busy and sampler.begin(Reason.CHANGE):
            model, stops = self.model, self._stops
            self._jobs.add(lambda: self._describe(model, stops, asked=False))

    def _describe_change(self, ended: bool) -> None:
        observer, now_s = self._parts.observer, self._parts.clock()
        if now_s - self._described_at_s < self._parts.min_interval_s and not ended:
            return
        before = self._described
        if before is not None and observer.news == (before.session, before.event_count, before.watching):
            return
        scene = observer.state
        if self._worth_saying(before, scene):
            self._described_at_s = now_s
            self._by_rule(scene, before)

    def _worth_saying(self, before: SceneState | None, scene: SceneState) -> bool:
        if before is not None and before.session == scene.session and before.watching:
            return scene.event_count > before.event_count or not scene.watching
        # A scene is described for the first time once something is certain, or certainly nothing is there.
        return scene.watching and (bool(scene.tracks) or scene.pts_s - scene.since_s >= self._parts.observer.vanish_s)

    # What --------------------------------------------------------------------------------------------------------

    def _by_rule(self, scene: SceneState, before: SceneState | None) -> None:
        self._described = scene
        text, done = "", Done()
        for event in self._rules.respond(Request(Role.DESCRIBE, scene, scene_before=before)):
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, Done):
                done = event
        if text:
            self._book.post(replace(self._message(self._rules, text, scene), evidence=done.evidence, checked=True))

    def _describe(self, model: LanguageModel, stops: int, asked: bool) -> None:
        """Have a model look and describe; by rule where there is nothing to see or it cannot.

        Args:
            model: who is to look.
            stops: how often descriptions had been stopped when this one was wished.
            asked: the user wished it.
        """
        scene = self._parts.observer.state
        by_rule = model is self._rules or (not asked and empty_scene_said(scene) is not None)
        with self._lock:
            stopped = stops != self._stops
            self._running = None if stopped or by_rule else model
        if stopped:
            self._put_off()
            return
        if by_rule:
            self._by_rule(scene, None if asked else self._described)
            return
        # Whoever asked for it sees at once that something is done.
        shown = self._put(replace(self._message(model, "", scene), doing="Looking")) if asked else None
        failed = self._looked(model, scene, shown, stops)
        with self._lock:
            self._running = None
        if failed is not None and failed.cancelled:
            self._put_off()
        if failed is None:
            self._problem = ""
            return
        if shown is not None:
            # What was said before it failed stays.
            self._book.change(shown.message_id, lambda message: message if message.text else _error(message, failed))
        elif not failed.cancelled:
            if failed.message != self._problem:
                self._problem = failed.message
                self._book.post(_error(self._message(model, "", scene), failed))
            self._by_rule(scene, self._described)

    def _put_off(self) -> None:
        """The scene waits to be described, unless the user wished no more than that it ends."""
        if self._resume and self._parts.sampler is not None:
            self._parts.sampler.put_off()

    def _looked(self, model: LanguageModel, scene: SceneState, shown: Message | None, stops: int) -> Failed | None:
        failed = Failed(f"{model.label} broke off without an answer.", "Look again.")
        text = ""
        try:
            pictures = pictures_for(self._parts, model, "description", LOOK_BACK_S, may_ask=shown is not None)
            leave = cleared(self._parts, model, pictures, "description")
            request = Request(Role.DESCRIBE, scene, scene_before=self._described, pictures=pictures, clearance=leave)
            events = timed(self._parts, model, model.respond(request))
            if stops != self._stops:
                # Too early for the model to know.
                return Failed("Stopped.", cancelled=True)
            for event in events:
                if stops != self._stops:
                    model.cancel()
                match event:
                    case TextDelta(delta):
                        text += delta
                        if text.strip():
                            grown = shown or self._message(model, "", scene)
                            shown = self._put(replace(grown, text=text, pictures=pictures, doing=UNCHECKED))
                    case Failed():
                        failed = event
                        break
                    case Done(description=description) if shown is not None and shown.text:
                        self._described = scene
                        self._finish(shown, scene, description)
                        return None
                    case Done():
                        failed = Failed(f"{model.label} said nothing.", "Choose another model.")
                        break
        except ScenescopeError as error:
            failed = Failed(error.user_message, error.hint)
        except Exception as error:
            # A provider may come from a plugin; its bug must not end the descriptions.
            traceback.print_exception(error)
            failed = Failed(f"{model.label} failed: {type(error).__name__}: {error}")
        if shown is not None and shown.text:
            # What was said so far stays, marked as what it is.
            self._put(replace(shown, doing="", notes=(failed.message, NOT_WHOLE), hint=failed.hint))
        return failed

    def _finish(self, shown: Message, scene: SceneState, description: Description | None) -> None:
        knowledge = self._parts.knowledge
        wall_s = knowledge.wall_s(scene.pts_s) if knowledge is not None else None
        known = Known(scene, description=description, wall_s=wall_s, looked=True)
        checked = check(shown.text.removeprefix(UNSEEN), known)
        seen = evidence_of_pictures(shown.pictures[-1:]) or (Evidence(scene.frame_index, scene.pts_s),)
        evidence = dict.fromkeys((*seen, *checked.evidence))
        whole = replace(
            shown,
            doing="",
            evidence=tuple(evidence)[:MAX_EVIDENCE],
            notes=checked.notes,
            checked=checked.confirmed,
        )
        self._put(whole)
        self._keep_caption(whole)

    def _keep_caption(self, message: Message) -> None:
        """Put what was said on the timeline, and where a search finds it; marked unless the checks confirm it."""
        session_id = self._parts.session_id()
        if self._parts.log is None or session_id is None:
            return
        seen = message.evidence[0]
        text = message.text if message.checked else NOT_CONFIRMED + message.text
        caption = LogEvent(EventKind.CAPTION, seen.pts_s, seen.frame_index, text=text[:MAX_CAPTION_CHARS])
        try:
            self._parts.log.add(session_id, [caption])
        except ScenescopeError:
            # The log says by itself that it cannot be written.
            return

    def _message(self, model: LanguageModel, text: str, scene: SceneState) -> Message:
        return Message(0, MessageKind.DESCRIPTION, model.label, text, time.time(), scene.pts_s)

    def _put(self, message: Message) -> Message:
        if message.message_id:
            self._book.put(message)
            return message
        return self._book.post(message)


def _error(message: Message, failed: Failed) -> Message:
    return replace(message, kind=MessageKind.ERROR, text=failed.message, hint=failed.hint, doing="")
