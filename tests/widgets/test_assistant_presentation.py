"""The assistant while its panel is out of sight: its keys work, say what they did, and where pictures go is told."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from scenescope.models.language import ModelState, Phase, Reach
from scenescope.widgets.assistant_fakes import FakeConversation
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.assistant_services import PanelServices
from scenescope.widgets.main_window import MainWindow

CTRL = Qt.KeyboardModifier.ControlModifier
CTRL_SHIFT = CTRL | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def sending() -> dict[str, bool]:
    return {"paused": False}


@pytest.fixture
def presenting(make_window: Any, talk: FakeConversation, sending: dict[str, bool], qtbot: Any) -> MainWindow:
    """A window in presentation mode, in which pictures go to the internet."""
    talk.reach = Reach.INTERNET
    services = PanelServices(
        sent=lambda: 3,
        sending_paused=lambda: sending["paused"],
        set_sending_paused=lambda on: sending.update(paused=on),
    )
    window: MainWindow = make_window(assistant_panel=AssistantPanel(talk, services=services))
    QTest.keyClick(window, Qt.Key.Key_F11)
    qtbot.waitUntil(window.isFullScreen)
    qtbot.waitUntil(window.isActiveWindow)
    assert not window.assistant_panel.isVisible()
    return window


def said(window: MainWindow) -> str:
    notice = window.notices.notice
    return f"{notice.message.text()} {notice.hint.text()}" if notice.isVisible() else ""


@pytest.mark.parametrize(
    ("key", "on", "off"),
    [
        (
            Qt.Key.Key_B,
            "No picture leaves this computer until you go on. Ctrl+Shift+B goes on.",
            "Pictures may be sent again. Ctrl+Shift+B pauses it again.",
        ),
        (
            Qt.Key.Key_D,
            "The scene is not described until you go on. Ctrl+Shift+D goes on.",
            "The scene is described again. Ctrl+Shift+D pauses it again.",
        ),
    ],
)
def test_the_pauses_work_by_keys_and_say_so(
    presenting: MainWindow, talk: FakeConversation, sending: dict[str, bool], key: Qt.Key, on: str, off: str
):
    for expected in (on, off):
        QTest.keyClick(presenting, key, CTRL_SHIFT)
        held = sending["paused"] if key == Qt.Key.Key_B else talk.paused
        assert held == (expected == on)
        assert said(presenting) == expected
    assert presenting.isFullScreen()


def test_stop_works_by_keys(presenting: MainWindow, talk: FakeConversation, qtbot: Any):
    talk.state = ModelState(Phase.ANSWERING)
    # It can be done only while something goes on, which is seen by looking.
    qtbot.waitUntil(presenting.assistant_panel.actions_["stop"].isEnabled)
    QTest.keyClick(presenting, Qt.Key.Key_X, CTRL_SHIFT)
    assert talk.done == [("stop",)]
    assert said(presenting).startswith("The assistant was stopped.")


@pytest.mark.parametrize(("key", "modifiers"), [(Qt.Key.Key_Slash, CTRL), (Qt.Key.Key_N, CTRL_SHIFT)])
def test_what_is_answered_in_the_panel_brings_it_back(presenting: MainWindow, key: Qt.Key, modifiers: Any):
    QTest.keyClick(presenting, key, modifiers)
    assert presenting.assistant_panel.isVisible()
    assert presenting.isFullScreen()


@pytest.mark.parametrize("name", ["watches", "history", "egress", "settings"])
def test_dialogs_are_asked_for_by_keys(presenting: MainWindow, qtbot: Any, name: str):
    panel = presenting.assistant_panel
    keys = panel.actions_[name].shortcut()[0]
    with qtbot.waitSignal(getattr(panel, f"{name}_requested")):
        QTest.keyClick(presenting, keys.key(), keys.keyboardModifiers())


def test_where_pictures_go_is_told_over_the_picture_while_the_panel_does_not(
    presenting: MainWindow, talk: FakeConversation, sending: dict[str, bool], qtbot: Any
):
    panel = presenting.assistant_panel
    corner = panel._header.corner
    assert corner.isVisible()
    assert presenting.viewport.rect().contains(corner.geometry())
    assert (corner.words.text(), corner.count.text()) == (Reach.INTERNET.value, "3 pictures sent")
    QTest.keyClick(presenting, Qt.Key.Key_B, CTRL_SHIFT)
    assert corner.count.text() == "Sending is paused; 3 pictures sent"
    with qtbot.waitSignal(panel.egress_requested):
        QTest.mouseClick(corner, Qt.MouseButton.LeftButton)
    talk.reach = Reach.THIS_COMPUTER
    qtbot.waitUntil(corner.isHidden)
    talk.reach = Reach.YOUR_NETWORK
    qtbot.waitUntil(corner.isVisible)
    presenting.layout_keeper.leave_presentation()
    qtbot.waitUntil(corner.isHidden)
    # A panel that lies behind another one's tab is not seen either.
    docks = presenting.layout_keeper.docks
    presenting.tabifyDockWidget(docks["assistant"], docks["timing"])
    docks["timing"].raise_()
    qtbot.waitUntil(corner.isVisible)
    panel.set_conversation(None)
    assert corner.isHidden()
