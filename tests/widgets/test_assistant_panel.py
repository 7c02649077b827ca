"""AssistantPanel: plain text, chips that lead to the evidence, threads, history, clearing and the keyboard."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPushButton

from scenescope.models.language import Conversation, Evidence, Message, MessageKind
from scenescope.widgets.assistant_fakes import FakeConversation
from scenescope.widgets.assistant_inbox import MAX_MESSAGES, UPDATE_INTERVAL_MS
from scenescope.widgets.assistant_panel import SHOWN_AT_ONCE, AssistantPanel
from scenescope.widgets.assistant_parts import ZERO_WIDTH_SPACE

HOSTILE = "<b>a & b</b> <img src='http://example.org/x.png'> <a href='http://example.org'>click</a> & [x](y)"


def texts(panel: AssistantPanel) -> list[str]:
    return [view.message.text for view in panel._list.views]


def suggestions(panel: AssistantPanel) -> list[QPushButton]:
    return panel._foot.suggested


def test_echo_keeps_to_the_protocol(talk):
    conversation: Conversation = talk
    assert conversation.label == "Echo"


def test_a_question_and_its_answer_appear(qtbot, panel, talk):
    qtbot.keyClicks(panel._foot.line, "how many dogs")
    qtbot.keyClick(panel._foot.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: texts(panel) == ["how many dogs", "echo how many dogs"])
    assert panel._foot.line.text() == ""


@pytest.mark.parametrize("text", ["", "   ", "\t"])
def test_nothing_is_not_asked(qtbot, panel, talk, text):
    panel._foot.line.setText(text)
    qtbot.keyClick(panel._foot.line, Qt.Key.Key_Return)
    panel.ask(text)
    assert not talk.kept


def test_a_message_that_grows_has_room_for_what_was_added(qtbot, panel):
    message = Message(1, MessageKind.ANSWER, "a model", "Two", 0.0, doing="Not checked yet")
    whole = replace(message, doing="", evidence=(Evidence(1, 2.0, 3),), notes=("The detector counts otherwise.",))
    for state in (message, whole):
        panel._inbox.put(state)
        qtbot.waitUntil(lambda state=state: bool(panel._list.views) and panel._list.views[0].message == state)
    view = panel._list.views[0]
    assert view.height() == view.heightForWidth(view.width())
    assert view.notes[0].isVisible()
    assert view.notes[0].height() >= view.notes[0].heightForWidth(view.notes[0].width())


def test_hostile_words_are_shown_as_they_are(qtbot, panel, talk):
    talk.say(HOSTILE, evidence=(Evidence(1, 2.0, 3),), suggestions=(HOSTILE,))
    qtbot.waitUntil(lambda: len(panel._list.views) == 1)
    view = panel._list.views[0]
    assert view.body.text().replace(ZERO_WIDTH_SPACE, "") == HOSTILE
    for label in filter(QLabel.text, view.findChildren(QLabel)):
        assert label.textFormat() == Qt.TextFormat.PlainText
        assert not label.openExternalLinks()
        assert not label.textInteractionFlags() & Qt.TextInteractionFlag.LinksAccessibleByMouse
    # A button never reads HTML; its ampersand is doubled so that it is no shortcut.
    assert suggestions(panel)[0].accessibleName() == HOSTILE
    assert "&&" in suggestions(panel)[0].text()
    assert all("<" not in button.toolTip() for button in panel.findChildren(QPushButton))


def test_long_words_do_not_widen_the_panel(qtbot, panel, talk):
    talk.say("x" * 400)
    qtbot.waitUntil(lambda: len(panel._list.views) == 1)
    view = panel._list.views[0]
    assert view.width() <= panel._list.viewport().width()
    assert view.height() > 5 * view.body.fontMetrics().height()
    view.copy()
    assert QGuiApplication.clipboard().text() == "x" * 400


def test_evidence_leads_to_the_moment_and_the_track(qtbot, panel, talk):
    talk.say("seen", evidence=(Evidence(372, 12.4, 3), Evidence(5, 3725.5)))
    qtbot.waitUntil(lambda: len(panel._list.views) == 1)
    chips = panel._list.views[0].chips
    assert [button.text() for button in chips] == ["0:12.4 #3", "1:02:05.5"]
    sought, selected = [], []
    panel.seek_requested.connect(sought.append)
    panel.track_selected.connect(selected.append)
    chips[0].click()
    assert (sought, selected) == ([12.4], [3])
    chips[1].click()
    assert (sought, selected) == ([12.4, 3725.5], [3])


def test_suggestions_are_asked_when_clicked(qtbot, panel, talk):
    assert [button.accessibleName() for button in suggestions(panel)] == ["What do you see?", "Tom & Jerry?"]
    suggestions(panel)[1].click()
    assert [message.text for message in talk.kept] == ["Tom & Jerry?", "echo Tom & Jerry?"]
    talk.say("and?", suggestions=("More?",))
    qtbot.waitUntil(lambda: [button.accessibleName() for button in suggestions(panel)] == ["More?"])
    talk.say("no")
    qtbot.waitUntil(lambda: len(suggestions(panel)) == 2)


def test_up_and_down_bring_questions_back(qtbot, panel):
    for text in ("one", "two", "two"):
        panel.ask(text)
    line = panel._foot.line
    qtbot.keyClicks(line, "dra")
    seen = []
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down):
        qtbot.keyClick(line, key)
        seen.append(line.text())
    assert seen == ["two", "one", "one", "two", "dra", "dra"]


def test_pausing_is_a_checkable_action(panel, talk):
    assert panel.actions_["pause"].isCheckable()
    assert not panel.actions_["pause"].shortcut().isEmpty()
    panel.actions_["pause"].trigger()
    assert talk.paused
    panel.actions_["pause"].trigger()
    assert not talk.paused


def test_clearing_can_be_undone(qtbot, panel, talk):
    for n in range(3):
        talk.say(f"m{n}")
    qtbot.waitUntil(lambda: len(panel._list.views) == 3)
    panel.actions_["clear"].trigger()
    assert texts(panel) == []
    assert panel._notice.isVisible()
    assert panel._notice_text.text() == "Cleared 3 messages."
    talk.kept.append(Message(9, MessageKind.DESCRIPTION, "Echo", "meanwhile", 0.0))
    panel._undo.click()
    assert texts(panel) == ["m0", "m1", "m2", "meanwhile"]
    assert not panel._notice.isVisible()


def test_clearing_twice_brings_all_back(qtbot, panel, talk):
    for text in ("a", "b"):
        talk.kept.append(Message(ord(text), MessageKind.ANSWER, "Echo", text, 0.0))
        panel.actions_["clear"].trigger()
    panel._undo.click()
    assert texts(panel) == ["a", "b"]


def test_a_message_that_grows_is_shown_in_place(qtbot, panel, talk):
    first = talk.say("Two")
    qtbot.waitUntil(lambda: len(panel._list.views) == 1)
    before = panel._list.views[0].height()
    grown = Message(first.message_id, first.kind, "Echo", "Two people. " * 30, 0.0, evidence=(Evidence(1, 1.0),))
    panel._inbox.put(grown)
    qtbot.waitUntil(lambda: texts(panel) == [grown.text])
    assert panel._list.views[0].height() > before
    assert len(panel._list.views[0].chips) == 1


def test_errors_are_told_apart_and_carry_their_cure(qtbot, panel, talk):
    talk.say("The server refused.", MessageKind.ERROR, hint="Check the key.")
    qtbot.waitUntil(lambda: len(panel._list.views) == 1)
    view = panel._list.views[0]
    assert view.property("kind") == "error"
    assert "problem" in view._head.text()
    assert view.body.text() == "The server refused.\nCheck the key."


def test_messages_from_other_threads_arrive_in_few_updates(qtbot, panel, talk, monkeypatch):
    updates: list[float] = []
    append = panel._append

    def counted(messages) -> None:
        updates.append(time.monotonic())
        append(messages)

    monkeypatch.setattr(panel, "_append", counted)

    def speak() -> None:
        for n in range(60):
            talk.say(f"message {n}")
            time.sleep(0.005)

    speaker = threading.Thread(target=speak)
    speaker.start()
    qtbot.waitUntil(lambda: texts(panel)[-1:] == ["message 59"], timeout=10_000)
    speaker.join(5)
    assert texts(panel) == [f"message {n}" for n in range(60)]
    # Not more often than fifteen times a second; the first may come at once.
    gaps_s = [later - sooner for sooner, later in itertools.pairwise(updates)]
    assert all(gap_s >= (UPDATE_INTERVAL_MS - 5) / 1000 for gap_s in gaps_s)


@pytest.mark.slow
def test_a_long_conversation_shows_its_end_and_more_on_request(qtbot, panel, talk):
    for n in range(700):
        talk.say(f"message {n}")
        if n % 100 == 0:
            panel._show_waiting()
    panel._show_waiting()
    assert len(panel._list.views) <= SHOWN_AT_ONCE + 20
    assert texts(panel)[-1] == "message 699"
    first = len(panel._list.views)
    panel._list._earlier.click()
    assert len(panel._list.views) == first + SHOWN_AT_ONCE
    while not panel._list._earlier.isHidden():
        panel._list._earlier.click()
    assert len(panel._list.views) == MAX_MESSAGES
    assert texts(panel) == [f"message {n}" for n in range(200, 700)]
    talk.say("one more")
    panel._show_waiting()
    assert len(panel._list.views) <= MAX_MESSAGES
    panel.actions_["clear"].trigger()
    assert not panel._list.views


def test_it_stays_at_the_end_only_if_it_was_there(qtbot, panel, talk):
    bar = panel._list.verticalScrollBar()
    for n in range(30):
        talk.say(f"message {n}")
    panel._show_waiting()
    assert bar.maximum() > 0
    assert bar.value() == bar.maximum()
    bar.setValue(bar.maximum() // 2)
    here = bar.value()
    talk.say("unseen")
    panel._show_waiting()
    assert bar.value() == here
    assert panel._more.isVisible()
    panel._more.click()
    assert bar.value() == bar.maximum()
    assert not panel._more.isVisible()
    bar.setValue(0)
    panel.ask("my own question")
    panel._show_waiting()
    assert bar.value() == bar.maximum()


def test_the_keyboard_is_enough(qtbot, panel, talk):
    talk.say("first", evidence=(Evidence(1, 1.0, 1),))
    talk.say("second", evidence=(Evidence(2, 2.0, 2),))
    panel._show_waiting()
    first, second = panel._list.views
    panel._list.setFocus()
    qtbot.keyClick(panel._list, Qt.Key.Key_Up)
    assert panel.focusWidget() is second
    qtbot.keyClick(second, Qt.Key.Key_Up)
    assert panel.focusWidget() is first
    with qtbot.waitSignal(panel.seek_requested) as seek:
        qtbot.keyClick(first, Qt.Key.Key_Return)
    assert seek.args == [1.0]
    assert first.chips[0].focusPolicy() & Qt.FocusPolicy.TabFocus
    assert not second.chips[0].focusPolicy() & Qt.FocusPolicy.TabFocus
    first.copy_action.trigger()
    assert QGuiApplication.clipboard().text() == "first"
    panel.actions_["ask"].trigger()
    assert panel.focusWidget() is panel._foot.line


def test_everything_has_a_name_for_screen_readers(panel, talk):
    talk.say("words")
    panel._show_waiting()
    assert panel._list.views[0].accessibleName() == "Echo: words"
    assert panel._foot.line.accessibleName() == "Question"
    assert panel._list.accessibleName() == "Conversation"
    for action in panel.menu_actions:
        assert not action.shortcut().isEmpty()


def test_without_a_conversation_nothing_can_be_asked(qtbot, talk):
    panel = AssistantPanel()
    qtbot.addWidget(panel)
    assert not panel._foot.line.isEnabled()
    panel.ask("anything")
    panel.set_conversation(talk)
    assert panel._foot.line.isEnabled()
    talk.say("hello")
    panel._show_waiting()
    assert texts(panel) == ["hello"]
    panel.set_conversation(None)
    assert texts(panel) == []
    assert not talk.listeners


def test_earlier_messages_are_there_when_a_panel_opens(qtbot):
    talk = FakeConversation(count=150)
    panel = AssistantPanel(talk)
    qtbot.addWidget(panel)
    assert len(panel._list.views) == SHOWN_AT_ONCE
    assert texts(panel)[-1] == "message 149"


def test_a_closed_panel_hears_no_more(qtbot, talk):
    panel = AssistantPanel(talk)
    assert talk.listeners
    panel.deleteLater()
    qtbot.waitUntil(lambda: not talk.listeners)
    talk.say("into the void")
