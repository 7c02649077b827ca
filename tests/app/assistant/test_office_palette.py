"""The command palette of the real window says things to the assistant."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from scenescope.app.assistant.office_fakes import SPEC, Talk
from scenescope.models.language import Message, MessageKind
from scenescope.widgets.palette import Palette

pytestmark = pytest.mark.slow

ASK = "Ask the assistant: "


@pytest.fixture(scope="module")
def talk(make_talk: Any) -> Talk:
    made: Talk = make_talk()
    return made


@pytest.fixture(autouse=True)
def hidden(talk: Talk) -> None:
    """What is said from the palette brings the panel back."""
    talk.window.layout_keeper.show_dock("assistant", False)
    talk.ask_row.line.clear()


def palette(talk: Talk, typed: str) -> Palette:
    """The palette after something was typed into it."""
    talk.window.actions_["help.palette"].trigger()
    popup = talk.until(QApplication.activePopupWidget)
    assert isinstance(popup, Palette)
    QTest.keyClicks(popup.line, typed)
    return popup


def chosen(talk: Talk, typed: str, title: str) -> None:
    """Type, and choose the item with this title by keys."""
    popup = palette(talk, typed)
    titles = [item.title for item in popup.shown]
    while popup.shown[popup.view.currentIndex().row()].title != title:
        assert title in titles, titles
        QTest.keyClick(popup.line, Qt.Key.Key_Down)
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    talk.until(lambda: QApplication.activePopupWidget() is None)
    talk.until(talk.panel.isVisible)
    talk.window.activateWindow()


def answer(talk: Talk, before: int) -> tuple[Message, Message]:
    """What was asked and answered after a message."""
    asked = talk.until(lambda: next((one for one in talk.after(before) if one.kind is MessageKind.QUESTION), None))
    assert asked is not None
    found = talk.until(lambda: talk.answer_to(asked))
    assert found is not None
    return asked, found


def test_a_phrase_without_a_gap_is_said(talk: Talk):
    before = talk.last
    chosen(talk, "blur faces", "Blur faces")
    asked, found = answer(talk, before)
    assert asked.text == "blur faces"
    (change,) = found.changes
    assert talk.window.engine.spec != SPEC
    talk.assistant.undo(change.change_id)
    talk.until(lambda: talk.window.engine.spec == SPEC)


def test_a_phrase_with_a_gap_waits_in_the_line_for_its_word(talk: Talk):
    before, line = talk.last, talk.ask_row.line
    line.setText("half a thought")
    chosen(talk, "track the dog", "Track the …")
    talk.until(line.hasFocus)
    assert (line.text(), line.selectedText()) == ("track the dog", "dog")
    QTest.keyClicks(line, "purple unicorn")
    assert line.text() == "track the purple unicorn"
    assert not talk.after(before)
    # What was in the line is not lost.
    QTest.keyClick(line, Qt.Key.Key_Up)
    assert line.text() == "half a thought"


def test_words_follow_a_gap(talk: Talk):
    line = talk.ask_row.line
    chosen(talk, "to the front", "Move the … to the front")
    talk.until(line.hasFocus)
    assert (line.text(), line.selectedText()) == ("move the blur to the front", "blur")


def test_whatever_was_typed_can_be_asked(talk: Talk):
    before = talk.last
    popup = palette(talk, "which stages run?")
    assert popup.shown[-1].title == f"{ASK}which stages run?"
    popup.close()
    chosen(talk, "which stages run?", f"{ASK}which stages run?")
    asked, found = answer(talk, before)
    assert asked.text == "which stages run?"
    assert found.checked


def test_what_nothing_matches_is_asked_by_return_alone(talk: Talk):
    before = talk.last
    popup = palette(talk, "which stages run, please?")
    assert [item.title for item in popup.shown] == [f"{ASK}which stages run, please?"]
    assert not popup.nothing.isVisible()
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    assert answer(talk, before)[0].text == "which stages run, please?"


def test_nothing_typed_is_nothing_to_ask(talk: Talk):
    popup = palette(talk, "  ")
    assert not any(item.title.startswith(ASK) for item in popup.shown)
    assert {"Blur faces", "Track the …", "Tell me when a …"} <= {item.title for item in popup.shown}
    popup.close()


@pytest.mark.parametrize("typed", ["pause", "play", "undo", "record", "show events"])
def test_commands_go_before_what_can_be_said(talk: Talk, typed: str):
    popup = palette(talk, typed)
    groups = [item.group for item in popup.shown]
    popup.close()
    assert groups[0] != "Say to the assistant", groups[:5]
