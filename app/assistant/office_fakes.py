"""A desktop that is talked to as a user would, by keys and clicks; and what it may be shown. For tests, benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from scenescope.app.settings import Environment
from scenescope.app.window import Desktop
from scenescope.models import Tracks
from scenescope.models.language import Message, MessageKind
from scenescope.pipelines import Frame, PipelineSpec, Stage
from scenescope.pipelines.sources.video_fakes import write_video
from scenescope.widgets.assistant_ask import AskRow
from scenescope.widgets.assistant_diff import SETTLE_S
from scenescope.widgets.assistant_header import AssistantHeader
from scenescope.widgets.assistant_message import MessageView

__all__ = ["COUNT", "DOG", "SPEC", "Players", "Talk", "Ticker", "click", "write_film"]

T = TypeVar("T")
WAIT_S = 30.0
QUIET = (MessageKind.ANSWER, MessageKind.ERROR)

COUNT = 75
"""Pictures of the film, 25 a second."""
DOG = range(20, 45)
"""Those in which there is a dog."""
GATE = {"lines": [{"name": "gate", "start": [0.5, 0.0], "end": [0.5, 1.0]}], "zones": []}
SPEC = PipelineSpec().added("players").added("zones", {"shapes": GATE})
"""A pipeline for it; its stage :class:`Players` must be put into the registry."""


class Players(Stage, title="Players", group="Test"):
    """Reports what moves in the film: #1, a person who crosses the gate in picture 37; and #2, a dog."""

    def process(self, frame: Frame) -> Frame:
        """Add the tracks."""
        x = 20 + 5.0 * frame.index
        boxes, kinds, numbers = [(x - 20, 100, x + 20, 200)], [0], [1]
        if frame.index in DOG:
            boxes, kinds, numbers = [*boxes, (200, 20, 240, 60)], [0, 1], [1, 2]
        tracks = Tracks(
            xyxy=np.array(boxes, np.float32),
            confidence=np.full(len(boxes), 0.9),
            class_id=np.array(kinds),
            class_names=("person", "dog"),
            track_id=np.array(numbers),
        )
        return frame.with_result(self.context.stage_id, tracks)


def write_film(path: Path) -> Path:
    """Three seconds of 400x300 pixels, with the number of each picture burnt in."""
    return write_video(path, COUNT)


class Ticker(QObject):
    """Ticks in the window's thread, and notes how late.

    Args:
        interval_ms: between two ticks.
        parent: whose thread it is.

    Attributes:
        late_s: how much later than that each tick came after the one before.
    """

    def __init__(self, interval_ms: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.late_s: list[float] = []
        self._interval_s = interval_ms / 1000
        self._last_s = time.perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(interval_ms)

    def _tick(self) -> None:
        now_s = time.perf_counter()
        self.late_s.append(max(now_s - self._last_s - self._interval_s, 0.0))
        self._last_s = now_s


class Talk:
    """Drives a desktop from the thread of its window, which lives on while something is waited for.

    Args:
        desktop: to be driven.
        environment: what it was made with.
    """

    def __init__(self, desktop: Desktop, environment: Environment) -> None:
        self.desktop, self.environment = desktop, environment
        self.window, self.panel, self.assistant = desktop.window, desktop.panel, desktop.assistant

    def until(self, true: Callable[[], T], seconds: float = WAIT_S) -> T:
        """Wait until something is so, and return it.

        Raises:
            AssertionError: it takes too long; with the last messages.
        """
        deadline_s = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > deadline_s:
                raise AssertionError(f"not so after {seconds:g} s; last said: {self.assistant.messages[-3:]}")
            QApplication.processEvents()
            time.sleep(0.002)
        return found

    # Asking ------------------------------------------------------------------------------------------------------

    def enter(self, text: str) -> Message:
        """Ask by the keyboard; the question."""
        before = self.last
        self.window.activateWindow()
        self.until(self.window.isActiveWindow)
        self.press("Ctrl+/")
        line = QApplication.focusWidget()
        assert line is not None
        assert self.panel.isAncestorOf(line), line
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)
        return next(one for one in self.after(before) if one.kind is MessageKind.QUESTION)

    def ask(self, text: str, seconds: float = WAIT_S) -> Message:
        """Ask by the keyboard; the whole answer, or what went wrong."""
        asked = self.enter(text)
        found = self.until(lambda: self.answer_to(asked), seconds)
        assert found is not None
        return found

    def say(self, text: str) -> Message:
        """Ask as by a click on a suggestion, which needs no window that is active; the whole answer."""
        before = self.last
        self.panel.ask(text)
        asked = next(one for one in self.after(before) if one.kind is MessageKind.QUESTION)
        found = self.until(lambda: self.answer_to(asked))
        assert found is not None
        return found

    def answer_to(self, asked: Message) -> Message | None:
        """The whole answer to a question, shown in the panel; None before."""
        found = next((one for one in self.after(asked.message_id) if one.kind in QUIET and not one.doing), None)
        return found if found is not None and self.shows(found) else None

    @property
    def last(self) -> int:
        """The number of the newest message, 0 for none."""
        return self.assistant.messages[-1].message_id if self.assistant.messages else 0

    def after(self, number: int) -> list[Message]:
        """The messages after the one with this number."""
        return [one for one in self.assistant.messages if one.message_id > number]

    def now(self, message: Message) -> Message:
        """The message as it is now."""
        return next(one for one in self.assistant.messages if one.message_id == message.message_id)

    # The panel ---------------------------------------------------------------------------------------------------

    def shows(self, message: Message) -> bool:
        """Whether the panel shows the message as it is."""
        view = self._view(message)
        return view is not None and view.message == message

    def view(self, message: Message) -> MessageView:
        """The widget of a message, once it is as new as the message is."""
        self.until(lambda: self.shows(self.now(message)))
        found = self._view(message)
        assert found is not None
        return found

    def _view(self, message: Message) -> MessageView | None:
        views = self.panel.findChildren(MessageView)
        return next((one for one in views if one.message.message_id == message.message_id), None)

    def press(self, shortcut: str) -> None:
        """Press the keys of one of the panel's commands, once it can be done."""
        action = next(one for one in self.panel.actions_.all() if one.shortcut().toString() == shortcut)
        self.until(action.isEnabled)
        action.trigger()

    def choose(self, title: str) -> None:
        """Let somebody answer who is in the menu of the panel, and wait until they do."""
        menu = self.panel.findChildren(AssistantHeader)[0].menu
        menu.aboutToShow.emit()
        before = self.assistant.label
        action: QAction = next(one for one in menu.actions() if one.text().startswith(title))
        action.trigger()
        self.until(lambda: self.assistant.label != before)

    @property
    def ask_row(self) -> AskRow:
        """The foot of the panel."""
        return self.panel.findChildren(AskRow)[0]

    def settle(self) -> None:
        """Wait until the buttons of proposals take clicks."""
        ready_s = time.monotonic() + SETTLE_S
        self.until(lambda: time.monotonic() > ready_s)

    def dialog(self, kind: type[T]) -> T:
        """The dialog of this kind, once it is open."""

        def find() -> T | None:
            tops = (one for one in QApplication.topLevelWidgets() if one.isVisible())
            return next((one for one in tops if isinstance(one, kind)), None)

        found = self.until(find)
        assert found is not None
        return found


def click(button: QPushButton | QWidget) -> None:
    """Click in the middle."""
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
