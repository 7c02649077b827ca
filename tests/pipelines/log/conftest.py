"""Event logs, closed after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scenescope.pipelines.log.store import EventLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "events.db"


@pytest.fixture
def make(path: Path) -> Iterator[Callable[..., EventLog]]:
    """Opens event logs, closed at the end."""
    logs: list[EventLog] = []

    def opened(at: Path = path, **options) -> EventLog:
        logs.append(EventLog(at, **options))
        return logs[-1]

    yield opened
    for log in logs:
        log.close()


@pytest.fixture
def log(make) -> EventLog:
    return make()
