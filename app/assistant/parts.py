"""Parts: what the assistant works with. What is missing it does without."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.nearest import Nearest
from scenescope.app.assistant.orders import OrderContext
from scenescope.app.assistant.outgoing import ConsentNeeded, Outgoing
from scenescope.app.assistant.rules import Facts
from scenescope.app.assistant.tools.read import Look
from scenescope.app.assistant.tools.registry import Toolbox
from scenescope.pipelines.events import SourceState, StageState
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.look_ring import LookRing
from scenescope.pipelines.sampler import Sampler
from scenescope.pipelines.scene import SceneObserver

__all__ = ["Parts", "facts_of"]


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


@dataclass
class Parts:
    """What the assistant works with.

    Attributes:
        observer: what watches the scene.
        facts: what the rules may know of the app.
        knowledge: answers about what happened.
        log: where captions, the conversation and what was done are kept.
        session_id: the session of the log that goes on.
        ring: pictures of the last seconds.
        sampler: says when to look.
        outgoing: the only way on which pictures leave.
        toolbox: makes the list of what can be looked up and done, given how pictures are looked at, if they are.
        orders: what words of an order can mean now.
        nearest: finds what can be asked and ordered that is near to other words.
        min_interval_s: least time between two descriptions by rule.
        clock: monotonic seconds.
        ask_consent: asks the user whether pictures may go to a host; called on a thread that may wait.
    """

    observer: SceneObserver
    facts: Callable[[], Facts] = Facts
    knowledge: Knowledge | None = None
    log: EventLog | None = None
    session_id: Callable[[], int | None] = lambda: None
    ring: LookRing | None = None
    sampler: Sampler | None = None
    outgoing: Outgoing | None = None
    toolbox: Callable[[Look | None], Toolbox] | None = None
    orders: Callable[[], OrderContext] | None = None
    nearest: Callable[[], Nearest] = Nearest
    min_interval_s: float = 3.0
    clock: Callable[[], float] = time.monotonic
    ask_consent: Callable[[ConsentNeeded], bool] | None = None
