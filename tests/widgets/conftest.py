"""A window over a real engine, with public fakes for stages and sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from scenescope.models import SourceError
from scenescope.pipelines import DeviceFormat, DeviceInfo, PipelineSpec, Source, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.registry import Registry
from scenescope.widgets import assistant_ask, assistant_diff
from scenescope.widgets.assistant_fakes import FakeConversation
from scenescope.widgets.assistant_message import MessageView
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.settings import MemorySettings

CAMERAS = [
    DeviceInfo("cam-1", "Desk camera", (DeviceFormat((1280, 720), 30.0), DeviceFormat((640, 480), 60.0)), True),
    DeviceInfo("cam-2", "Door camera"),
]


@pytest.fixture(autouse=True)
def plain_application(qapp: QApplication) -> Iterator[None]:
    """Leave the application dressed as it was found."""
    palette, sheet = qapp.palette(), qapp.styleSheet()
    yield
    qapp.setStyleSheet(sheet)
    qapp.setPalette(palette)


def open_fake(text: str, **options: Any) -> Source:
    """Sources of these tests: "film", "live", a missing file, or nothing at all."""
    if text == "film":
        return FakeSource(count=600, size_wh=(320, 180), rate_hz=60)
    if text in ("live", "demo") or text.startswith("webcam:"):
        return FakeSource(count=None, size_wh=(320, 180), rate_hz=60, live=True)
    if text == "broken":
        return FakeSource(count=10, fail_at=(0,))
    raise SourceError(f"'{text}' is neither a file nor a source that is known.", hint="Try 'demo'.", permanent=True)


MakeWindow = Callable[..., MainWindow]


@pytest.fixture
def make_window(qtbot: Any, tmp_path: Path) -> Iterator[MakeWindow]:
    """Make windows that are closed at the end, with everything behind them."""
    made: list[MainWindow] = []
    logs: list[EventLog] = []

    def make(
        spec: PipelineSpec | None = None,
        settings: MemorySettings | None = None,
        registry: Registry[Stage] | None = None,
        **more: Any,
    ) -> MainWindow:
        registry = registry or fake_registry()
        if "log" not in more:
            logs.append(EventLog(tmp_path / f"events-{len(logs)}.sqlite"))
            more["log"] = logs[-1]
        engine = Engine(spec or PipelineSpec().added("boxes"), registry=registry)
        window = MainWindow(
            engine,
            settings or MemorySettings(),
            registry=registry,
            **{"open_source": open_fake, "camera_lister": lambda: CAMERAS, **more},
        )
        made.append(window)
        window.resize(1200, 800)
        with qtbot.waitActive(window):
            window.show()
            window.activateWindow()
        return window

    yield make
    for window in made:
        window.close()
        window.deleteLater()
    made.clear()
    for log in logs:
        log.close()


@pytest.fixture
def window(make_window: MakeWindow) -> MainWindow:
    """A window whose pipeline reports one box."""
    return make_window()


@pytest.fixture
def settle() -> Callable[[MainWindow, Any], None]:
    """Waits until the display has had nothing new to show for a while."""

    def wait(window: MainWindow, qtbot: Any) -> None:
        quiet = 0
        while quiet < 3:
            before = window.engine.display.composed
            qtbot.wait(50)
            quiet = quiet + 1 if window.engine.display.composed == before else 0

    return wait


@pytest.fixture
def playing(window: MainWindow, qtbot: Any, settle: Callable[[MainWindow, Any], None]) -> MainWindow:
    """The same, with a film held at a picture in which a box was found."""
    # Where the case before has left the mouse is no place to begin at.
    QTest.mouseMove(window.viewport, QPoint(1, 1))
    window.open_source_text("film")
    qtbot.waitUntil(lambda: bool(window.viewport.objects), timeout=10_000)
    window.engine.pause()
    qtbot.waitUntil(lambda: window.playback.phase == "paused", timeout=5_000)
    settle(window, qtbot)
    return window


# The assistant ---------------------------------------------------------------------------------------------------


@pytest.fixture
def talk() -> FakeConversation:
    """A conversation that echoes."""
    return FakeConversation()


@pytest.fixture
def panel(qtbot: Any, talk: FakeConversation) -> AssistantPanel:
    """The assistant's panel over it, shown and active."""
    panel = AssistantPanel(talk)
    qtbot.addWidget(panel)
    panel.resize(360, 500)
    with qtbot.waitActive(panel):
        panel.show()
        panel.activateWindow()
    return panel


@pytest.fixture
def last(panel: AssistantPanel) -> Callable[[], MessageView]:
    """Gives the view of the newest message, as it is now."""

    def newest() -> MessageView:
        panel._show_waiting()
        return panel._list.views[-1]

    return newest


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that stands still until ``later["s"]`` is changed."""
    clock = {"s": 100.0}
    for module in (assistant_diff, assistant_ask):
        monkeypatch.setattr(module, "monotonic", lambda: clock["s"])
    return clock
