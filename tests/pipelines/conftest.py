"""Engines with fake stages, and a watch on what they tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import (
    EngineEvent,
    EngineFault,
)
from scenescope.pipelines.fakes import Gate, fake_registry
from scenescope.pipelines.stage import Stage


class Watch:
    """Keeps the events of an engine and waits for one."""

    def __init__(self, engine: Engine) -> None:
        self.events: list[EngineEvent] = []
        self._new = threading.Condition()
        engine.subscribe(self._add)

    def _add(self, event: EngineEvent) -> None:
        with self._new:
            self.events.append(event)
            self._new.notify_all()

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def wait_for(self, condition, timeout_s: float = 10.0) -> None:
        with self._new:
            assert self._new.wait_for(condition, timeout_s), f"not seen; faults: {self.of(EngineFault)}"


@pytest.fixture
def make() -> Iterator:
    """Engines with fake stages, stopped at the end."""
    engines = []
    registry = fake_registry()
    Gate.opened.clear()
    Gate.entered.clear()

    def build(*stages, sinks=(), workers: int = 2, extra: dict[str, type[Stage]] | None = None):
        for name, cls in (extra or {}).items():
            registry.add(name, cls)
        spec = PipelineSpec()
        for stage in stages:
            kind, params = stage if isinstance(stage, tuple) else (stage, {})
            spec = spec.added(kind, params)
        engine = Engine(spec, sinks=sinks, registry=registry, budget=ThreadBudget(workers, 1))
        engines.append(engine)
        return engine, Watch(engine)

    yield build
    Gate.opened.set()
    for engine in engines:
        assert engine.stop(10)
