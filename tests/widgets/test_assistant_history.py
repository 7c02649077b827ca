"""Earlier conversations, over the real log: list, search, reading, export, forgetting."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from scenescope.models import SinkError
from scenescope.models.language import Change, Evidence, Message, MessageKind, Proposal
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.assistant_history import HistoryDialog


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path / "events.sqlite")
    for number, word in enumerate(("cars", "dogs", "<b>birds</b>"), start=1):
        kept = log.talk.begin(f"street {number}.mp4")
        question = Message(1, MessageKind.QUESTION, "You", f"how many {word}?", time.time())
        answer = Message(
            2,
            MessageKind.ANSWER,
            "Rules",
            f"{number} {word}",
            time.time(),
            evidence=(Evidence(3, 0.1, session_id=number),),
            changes=(Change(1, "Add"),),
            proposals=(Proposal(1, "Record", "Data."),),
        )
        log.talk.keep(kept, [question, answer])
    log.flush()
    yield log
    log.close()


@pytest.fixture
def dialog(qtbot, log, tmp_path):
    dialog = HistoryDialog(log.talk, lambda name: tmp_path / name)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: len(dialog.messages.views) == 2)
    yield dialog
    dialog.close()


def titles(dialog: HistoryDialog) -> list[str]:
    return [dialog.list.item(row).text().split("\n")[0] for row in range(dialog.list.count())]


def read(dialog: HistoryDialog) -> list[str]:
    return [view.message.text for view in dialog.messages.views]


def test_conversations_are_listed_and_read_without_anything_left_to_decide(qtbot, dialog):
    assert titles(dialog) == ["how many <b>birds</b>?", "how many dogs?", "how many cars?"]
    assert read(dialog) == ["how many <b>birds</b>?", "3 <b>birds</b>"]
    dialog.list.setCurrentRow(2)
    qtbot.waitUntil(lambda: read(dialog) == ["how many cars?", "1 cars"])
    answer = dialog.messages.views[1]
    assert not answer.changes[1].undo.isEnabled()
    assert answer.proposals[1].buttons == ()
    with qtbot.waitSignal(dialog.evidence_requested) as asked:
        answer.chips[0].click()
    assert asked.args[0].session_id == 1


def test_a_search_leaves_what_has_the_words_and_goes_to_the_message(qtbot, dialog):
    qtbot.keyClicks(dialog.line, "dogs")
    qtbot.waitUntil(lambda: titles(dialog) == ["how many dogs?"])
    qtbot.waitUntil(lambda: read(dialog) == ["how many dogs?", "2 dogs"])
    dialog.line.setText("nothing like it")
    qtbot.waitUntil(lambda: titles(dialog) == [])
    qtbot.waitUntil(lambda: read(dialog) == [])
    assert dialog.said.text() == "Nothing was found. Try fewer words."
    dialog.line.clear()
    qtbot.waitUntil(lambda: len(titles(dialog)) == 3)


@pytest.mark.parametrize("text", ['"', "* OR (", "\x00", "'; DROP TABLE messages", "x" * 5000])
def test_any_text_may_be_searched_for(qtbot, dialog, text):
    dialog.line.setText(text)
    qtbot.waitUntil(lambda: dialog._hits is not None or "did not work" in dialog.notice.message.text())
    assert not dialog.notice.isVisible()


def test_one_conversation_is_exported(qtbot, dialog, tmp_path):
    dialog.list.setCurrentRow(1)
    dialog.export_one.click()
    qtbot.waitUntil(dialog.notice.isVisible)
    text = (tmp_path / "conversation.md").read_text(encoding="utf-8")
    assert "dogs" in text
    assert "cars" not in text


def test_all_are_exported_as_json(qtbot, dialog, tmp_path):
    dialog._ask_path = lambda _: tmp_path / "all.json"
    dialog.export_all.click()
    qtbot.waitUntil(dialog.notice.isVisible)
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))) == 3


def test_nothing_is_exported_when_no_file_is_chosen(qtbot, dialog, tmp_path):
    dialog._ask_path = lambda _: None
    dialog.export_one.click()
    assert not list(tmp_path.glob("*.md"))


def test_a_file_that_cannot_be_written_says_so(qtbot, dialog):
    dialog._ask_path = lambda _: Path("/nowhere/at/all.md")
    dialog.export_one.click()
    qtbot.waitUntil(dialog.notice.isVisible)
    assert "cannot be written" in dialog.notice.hint.text()


def test_forgetting_one_is_undone_until_the_dialog_is_closed(qtbot, dialog, log):
    dialog.forget.click()
    assert titles(dialog) == ["how many dogs?", "how many cars?"]
    assert len(log.talk.conversations()) == 3
    dialog.notice.button.click()
    qtbot.waitUntil(lambda: len(titles(dialog)) == 3)
    dialog.list.setCurrentRow(0)
    dialog.forget.click()
    dialog.close()
    qtbot.waitUntil(lambda: len(log.talk.conversations()) == 2)


def test_all_are_forgotten_after_a_question_only(qtbot, dialog, log):
    dialog.forget_all.click()
    assert len(log.talk.conversations()) == 3
    dialog.notice.button.click()
    qtbot.waitUntil(lambda: titles(dialog) == [])
    qtbot.waitUntil(lambda: log.talk.conversations() == [])
    assert dialog.said.text() == "No conversations are kept."


def test_the_keyboard_reaches_the_search(qtbot, dialog):
    with qtbot.waitActive(dialog):
        dialog.activateWindow()
    dialog.list.setFocus()
    qtbot.keyClick(dialog, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(dialog.line.hasFocus)


def test_a_store_that_fails_says_so(qtbot):
    class Broken:
        def conversations(self):
            raise SinkError("The log cannot be read.", hint="Start again.")

    dialog = HistoryDialog(Broken())
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(dialog.notice.isVisible)
    assert dialog.notice.hint.text() == "The log cannot be read. Start again."
    dialog.close()
