"""A conversation without a window; and a whole desktop that is made once for a file of tests, since it is costly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

MakeTalk = Callable[..., Any]


@pytest.fixture(scope="module")
def make_talk(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeTalk]:
    """Makes desktops over folders of their own, closed after the last test of the file."""
    # Imported here, so that collecting the tests of this folder stays quick.
    from scenescope.app.assistant.office_fakes import SPEC, Players, Talk
    from scenescope.app.settings import Environment
    from scenescope.app.window import Desktop
    from scenescope.pipelines import STAGES, PipelineSpec
    from scenescope.widgets.settings import MemorySettings

    palette, sheet = qapp.palette(), qapp.styleSheet()
    STAGES.add("players", Players)
    made: list[Desktop] = []

    def make(spec: PipelineSpec = SPEC, environment: Environment | None = None) -> Talk:
        folder = tmp_path_factory.mktemp("desktop")
        environment = environment or Environment(folder / "config", folder / "data")
        made.append(Desktop(spec, MemorySettings(), environment))
        talk = Talk(made[-1], environment)
        talk.window.resize(1400, 900)
        talk.window.show()
        talk.window.activateWindow()
        return talk

    yield make
    for desktop in made:
        desktop.close()
    STAGES.discard("players")
    qapp.setStyleSheet(sheet)
    qapp.setPalette(palette)


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Any]:
    """A conversation over a played scene, a fake window and a real log."""
    from scenescope.app.assistant.rehearsal_fakes import Rehearsal

    made = Rehearsal(tmp_path)
    yield made
    made.close()
