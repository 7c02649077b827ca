"""A conversation over a played scene, a fake window and a real log: for tests of what becomes of a question."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from scenescope.app.assistant.controller import Assistant
from scenescope.app.assistant.conversation_fakes import ScriptedModel
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.orders_names import OrderContext, kinds_of
from scenescope.app.assistant.outgoing import ConsentNeeded, Outgoing
from scenescope.app.assistant.parts import Parts
from scenescope.app.assistant.scene_fakes import ACTORS, Play
from scenescope.app.assistant.tools.fakes import FakeHost
from scenescope.app.assistant.tools.registry import toolbox
from scenescope.models.language import Message, MessageKind
from scenescope.pipelines import STAGES, Frame, SourceInfo
from scenescope.pipelines.log.fakes import WATCHED
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.look_ring import LookRing
from scenescope.pipelines.sampler import Sampler
from scenescope.pipelines.spec import PipelineSpec
from scenescope.widgets.settings import MemorySettings

__all__ = ["Rehearsal"]

_WITHIN_S = 20.0


class _Host(FakeHost):
    """Takes a pipeline only while ``free``; says with ``taking`` that it was given one."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.taking = threading.Event()

    def apply(self, after: PipelineSpec, text: str, before: PipelineSpec) -> None:
        self.taking.set()
        self.free.wait(_WITHIN_S)
        super().apply(after, text, before)


class Rehearsal:
    """Two people and a car, ten seconds after the beginning; a sampler whose time stands still.

    Args:
        folder: for the log.

    Attributes:
        agrees: what the user says when asked for consent.
        asked_for: what the user was asked consent for.
        now_s: the time of the sampler.
        heard: all messages, as often as they were told.
    """

    def __init__(self, folder: Path) -> None:
        self.play = Play(*ACTORS)
        self.play.play(100)
        self.host = _Host()
        self.log = EventLog(folder / "events.sqlite")
        self.ring = LookRing()
        self.ring.open(SourceInfo("clip.mp4", (64, 48), 10, live=False))
        self.now_s = 0.0
        self.sampler = Sampler(clock=lambda: self.now_s)
        self.asked_for: list[ConsentNeeded] = []
        self.agrees = False
        self.session: int | None = None
        self.heard: list[Message] = []
        knowledge, kinds = Knowledge(lambda: self.play.observer.state, None, lambda: None), kinds_of(STAGES)
        self.parts = Parts(
            self.play.observer,
            log=self.log,
            session_id=lambda: self.session,
            ring=self.ring,
            sampler=self.sampler,
            outgoing=Outgoing(MemorySettings(), self.log.talk.add_egress, faces=lambda image: np.zeros((0, 4))),
            toolbox=lambda look: toolbox(self.host, knowledge, look),
            orders=lambda: OrderContext(self.host.spec, kinds, known_labels=("person", "dog", "car")),
            ask_consent=self._consent,
        )
        self.assistant = Assistant(self.parts)
        self.assistant.subscribe(self.heard.append)

    def _consent(self, needed: ConsentNeeded) -> bool:
        self.asked_for.append(needed)
        return self.agrees

    def begin_session(self) -> None:
        """Let what is seen be written into the log."""
        self.session = self.log.begin(WATCHED)

    def show_picture(self, index: int = 99) -> None:
        """Let there be a picture, grey as its number."""
        self.ring.write(Frame(np.full((48, 64, 3), index, np.uint8), index, index / 10, index / 10))

    def change(self) -> None:
        """Let the scene be another one for the sampler, a minute later, and the next frame be written."""
        self.now_s += 60
        self.sampler.see(np.zeros((32, 32), np.float32), round(self.now_s))
        self.play.play(1)

    def use(self, model: ScriptedModel) -> ScriptedModel:
        """Let it describe and answer."""
        self.assistant.set_models(model, model)
        self.settle()
        return model

    def answer(self, text: str) -> Message:
        """Ask, and wait for the answer."""
        return self.assistant.answer(text, timeout_s=_WITHIN_S)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        assert self.assistant.wait(_WITHIN_S)

    def said(self, kind: MessageKind) -> list[Message]:
        """The messages of a kind, oldest first, as they are now."""
        return [message for message in self.assistant.messages if message.kind is kind]

    def now(self, message: Message) -> Message:
        """A message as it is now."""
        return next(one for one in self.assistant.messages if one.message_id == message.message_id)

    def close(self) -> None:
        """End it."""
        self.host.free.set()
        self.assistant.close()
        self.log.close()
