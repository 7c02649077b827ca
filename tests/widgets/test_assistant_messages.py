"""Messages of the assistant: growing answers, pictures, notes, changes and proposals, and the head of the panel."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel

from scenescope.models.language import (
    Change,
    DiffLine,
    Evidence,
    MessageKind,
    ModelState,
    Phase,
    Picture,
    Proposal,
    Reach,
)
from scenescope.widgets import assistant_ask, assistant_diff
from scenescope.widgets.assistant_diff import folded, words_of
from scenescope.widgets.assistant_fakes import FakeConversation
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.assistant_pictures import PictureDialog, PictureLoader, decoded
from scenescope.widgets.assistant_services import Choice, PanelServices
from scenescope.widgets.theme import Theme, ThemeChoice

SAME = DiffLine("=", "Resize")
LINES = (SAME, DiffLine("=", "Blur faces"), SAME, SAME, DiffLine("+", "Detect edges"), DiffLine("-", "Cartoon"))


def a_picture(number: int = 0) -> Picture:
    image = np.full((72, 128, 3), 10 * number % 256, np.uint8)
    return Picture(cv2.imencode(".jpg", image)[1].tobytes(), number * 30, float(number), (128, 72))


@pytest.fixture
def talk() -> FakeConversation:
    return FakeConversation()


@pytest.fixture
def panel(qtbot, talk) -> AssistantPanel:
    panel = AssistantPanel(talk)
    qtbot.addWidget(panel)
    panel.resize(360, 500)
    with qtbot.waitActive(panel):
        panel.show()
        panel.activateWindow()
    return panel


@pytest.fixture
def later(monkeypatch) -> dict[str, float]:
    """A clock that stands still until ``later["s"]`` is changed."""
    clock = {"s": 100.0}
    for module in (assistant_diff, assistant_ask):
        monkeypatch.setattr(module, "monotonic", lambda: clock["s"])
    return clock


def last(panel: AssistantPanel):
    panel._show_waiting()
    return panel._list.views[-1]


# Growing ---------------------------------------------------------------------------------------------------------


def test_the_beginning_of_a_long_answer_stays_in_view_while_it_grows(panel, talk):
    for number in range(10):
        talk.say(f"message {number}")
    panel._show_waiting()
    answer = talk.say("word", MessageKind.ANSWER, doing="Answering")
    bar = panel._list.verticalScrollBar()
    tops = []
    for words in range(0, 2000, 100):
        talk.change(answer, text="word " * words)
        view = last(panel)
        tops.append(view.y() - bar.value())
    assert view.height() > panel._list.viewport().height()
    assert tops[-1] == 0
    assert all(later <= sooner for sooner, later in itertools.pairwise(tops))
    assert panel._more.isVisible()
    panel._more.click()
    # Who has gone to the end of it goes on with the end.
    talk.change(answer, text="word " * 2500)
    last(panel)
    assert bar.value() == bar.maximum()


def test_what_is_read_stays_where_it_is_while_another_message_grows(panel, talk):
    first = talk.say("first")
    for number in range(30):
        talk.say(f"message {number}")
    panel._show_waiting()
    bar = panel._list.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    read = next(view for view in panel._list.views if view.y() >= bar.value())
    before = read.y() - bar.value()
    for words in (10, 100, 300):
        talk.change(first, text="word " * words)
        panel._show_waiting()
        assert read.y() - bar.value() == before
    panel.resize(300, 500)
    assert abs(read.y() - bar.value() - before) < 60


def test_of_many_states_of_a_message_only_the_newest_is_shown(panel, talk):
    answer = talk.say("0", MessageKind.ANSWER)
    for number in range(1, 2000):
        talk.change(answer, text=str(number))
    assert len(panel._waiting) == 1
    assert last(panel).message.text == "1999"


def test_a_state_of_a_message_that_is_no_longer_shown_is_not_added_at_the_end(qtbot):
    talk = FakeConversation(count=300)
    panel = AssistantPanel(talk)
    qtbot.addWidget(panel)
    talk.change(talk.kept[0], text="undone")
    panel._show_waiting()
    assert panel._list.views[-1].message.text == "message 299"


def test_a_chip_that_has_the_focus_keeps_it_while_the_text_grows(panel, talk):
    answer = talk.say("Two", MessageKind.ANSWER, evidence=(Evidence(1, 1.0),))
    view = last(panel)
    view.set_current(True)
    view.chips[0].setFocus()
    talk.change(answer, text="Two people")
    last(panel)
    assert view.chips[0].hasFocus()


# What is shown ---------------------------------------------------------------------------------------------------


def test_what_is_being_done_is_a_line_that_goes_when_it_is_done(panel, talk):
    answer = talk.say("", MessageKind.ANSWER, doing="Looking at 4 pictures")
    view = last(panel)
    assert view._doing_words.text() == "Looking at 4 pictures"
    assert view._doing.isVisible()
    assert not view.body.isVisible()
    assert "Looking" in view.accessibleDescription()
    assert panel._foot.send.text() == "Stop"
    talk.change(answer, text="A dog.", doing="")
    assert not last(panel)._doing.isVisible()
    assert panel._foot.send.text() == "Ask"


def test_checks_are_told_by_sign_and_words(panel, talk):
    talk.say("A dog.", checked=True, notes=("Not confirmed by the detector: dog.",))
    view = last(panel)
    assert view._checked.isVisible()
    assert view._checked.toolTip()
    assert [note.text() for note in view.notes] == ["Not confirmed by the detector: dog."]
    assert view.notes[0].textFormat() == Qt.TextFormat.PlainText
    assert "Checked" in view.accessibleName()
    assert "Not confirmed" in view.accessibleDescription()
    signs = [label for label in view._notes_box.findChildren(QLabel) if not label.pixmap().isNull()]
    assert len(signs) == 1


def test_a_watch_is_told_apart(panel, talk):
    talk.say("A truck is in zone A.", MessageKind.WATCH)
    view = last(panel)
    assert view.property("kind") == "watch"
    assert view._head.text().startswith("watch")
    assert not view._sign.pixmap().isNull()


@pytest.mark.parametrize(("session_id", "seeks"), [(None, True), (7, True), (8, False)])
def test_evidence_of_another_session_does_not_seek_in_this_one(qtbot, panel, talk, session_id, seeks):
    panel.set_services(PanelServices(session_id=lambda: 7))
    evidence = Evidence(30, 1.0, 5, 99, session_id)
    talk.say("seen", evidence=(evidence,))
    sought, wanted = [], []
    panel.seek_requested.connect(sought.append)
    panel.evidence_requested.connect(wanted.append)
    last(panel).chips[0].click()
    assert wanted == [evidence]
    assert sought == ([1.0] if seeks else [])


# Pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jpeg", [b"", b"no picture", a_picture().jpeg[:40], b"\xff\xd8\xff" + bytes(1000)])
def test_what_is_no_picture_is_none(jpeg):
    assert decoded(jpeg, (64, 64)) is None


def test_a_picture_is_made_small_and_never_large():
    assert decoded(a_picture().jpeg, (64, 64)).width() == 64
    assert decoded(a_picture().jpeg, (6400, 6400)).width() == 128


def test_pictures_are_decoded_when_they_come_into_view(qtbot, panel, talk):
    asked = []
    get = panel._held.loader.get
    panel._held.loader.get = lambda picture, size: asked.append(picture.frame_index) or get(picture, size)
    for number in range(40):
        talk.say(f"message {number}", pictures=(a_picture(number),))
    panel._show_waiting()
    qtbot.waitUntil(lambda: 39 * 30 in asked)
    qtbot.waitUntil(lambda: len(panel._held.loader._kept) > 0)
    assert 0 not in asked


def test_few_pictures_are_kept(qtbot, monkeypatch):
    monkeypatch.setattr("scenescope.widgets.assistant_pictures.MOST_KEPT_BYTES", 100_000)
    loader = PictureLoader()
    for number in range(20):
        picture = a_picture(number)
        loader.get(picture, (128, 72))
        qtbot.waitUntil(lambda picture=picture: loader.get(picture, (128, 72))[0])
    assert loader._kept_bytes <= 100_000
    assert loader._kept_bytes == sum(image.sizeInBytes() for _, image in loader._kept.values())
    loader.close()
    assert loader.get(a_picture(), (128, 72)) == (False, None)


def test_a_click_on_a_picture_enlarges_it_and_jumps_there(qtbot, panel, talk):
    talk.say("seen", pictures=(a_picture(1), a_picture(2), Picture(b"broken", 90, 3.0, (1, 1))))
    view = last(panel)
    sought = []
    panel.seek_requested.connect(sought.append)
    view.set_current(True)
    view.strip.buttons[1].setFocus()
    qtbot.keyClick(view.strip.buttons[1], Qt.Key.Key_Return)
    dialog = panel.findChild(PictureDialog)
    assert sought == [2.0]
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: not dialog.view.pixmap().isNull())
    qtbot.keyClick(dialog, Qt.Key.Key_Left)
    assert dialog.picture.pts_s == 1.0
    assert not dialog.back.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert sought == [2.0, 1.0]
    dialog.go(2)
    qtbot.waitUntil(lambda: dialog.view.text() == "This picture cannot be read.")
    dialog.close()


# Changes and proposals -------------------------------------------------------------------------------------------


def test_what_stays_is_folded():
    assert folded(LINES[:5]) == LINES[:5]
    assert [str(line.sign + line.text) for line in folded(LINES)] == ["=4 as before", "+Detect edges", "-Cartoon"]
    ends = (DiffLine("+", "New"), *[SAME] * 9)
    assert folded(ends) == (DiffLine("+", "New"), DiffLine("=", "9 as before"))
    assert words_of(LINES[4:]) == "new: Detect edges; gone: Cartoon"


def test_a_change_is_undone_with_one_click(panel, talk):
    talk.say("Done.", MessageKind.ANSWER, changes=(Change(4, "Add 'Detect edges'", LINES),))
    card = last(panel).changes[4]
    assert card.diff.lines == folded(LINES)
    card.undo.click()
    assert talk.done == [("undo", 4)]
    last(panel)
    assert card.undo.text() == "Undone"
    assert not card.undo.isEnabled()


def test_what_cannot_be_undone_says_so(panel, talk):
    talk.say("Done.", changes=(Change(1, "Add", undoable=False),))
    undo = last(panel).changes[1].undo
    assert not undo.isEnabled()
    assert "cannot" in undo.toolTip()


@pytest.mark.parametrize(
    ("button", "done", "words"),
    [("do_it", ("accept", 3), "You agreed: done."), ("leave_it", ("dismiss", 3), "Left as it was.")],
)
def test_a_proposal_is_decided_once_and_shown_as_decided(panel, talk, later, button, done, words):
    talk.say("May I?", MessageKind.ANSWER, proposals=(Proposal(3, "Stop blurring faces", "Privacy.", LINES),))
    card = last(panel).proposals[3]
    later["s"] += 1
    getattr(card, button).click()
    getattr(card, button).click()
    last(panel)
    getattr(card, button).click()
    assert talk.done == [done]
    assert card.decided.text() == words
    assert card.decided.isVisible()
    assert not card.do_it.isVisible()


def test_a_click_right_after_a_proposal_has_appeared_or_moved_is_ignored(panel, talk, later):
    talk.say("May I?", MessageKind.ANSWER, proposals=(Proposal(3, "Record", "Data."),))
    card = last(panel).proposals[3]
    card.do_it.click()
    later["s"] += 0.39
    card.do_it.click()
    assert talk.done == []
    later["s"] += 1
    for number in range(20):
        talk.say(f"message {number}")
    panel._show_waiting()
    card.do_it.click()
    assert talk.done == []
    later["s"] += 0.41
    card.do_it.click()
    assert talk.done == [("accept", 3)]


def test_return_in_the_line_never_accepts(qtbot, panel, talk, later):
    talk.say("May I?", MessageKind.ANSWER, proposals=(Proposal(3, "Record", "Data."), Proposal(4, "Export", "Data.")))
    view = last(panel)
    later["s"] += 1
    panel._foot.line.setFocus()
    assert not any(button.hasFocus() for button in view.buttons)
    for _ in range(3):
        qtbot.keyClick(panel._foot.line, Qt.Key.Key_Return)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert talk.done == []
    # The focus of a button that goes does not fall on another yes.
    view.set_current(True)
    view.proposals[3].do_it.setFocus()
    qtbot.keyClick(view.proposals[3].do_it, Qt.Key.Key_Return)
    assert talk.done == [("accept", 3)]
    last(panel)
    assert not any(button.hasFocus() for button in view.buttons)


# The head --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", list(Phase))
def test_every_state_is_told_by_words_and_a_sign(panel, talk, phase):
    talk.state = ModelState(phase, "the <b>reason</b>", "The cure.")
    panel._look()
    line = panel._header.state
    assert line.words.text() == f"{phase.value}: the <b>reason</b>"
    assert line.words.textFormat() == Qt.TextFormat.PlainText
    assert line.cure.text() == "The cure."
    assert line.dots.isVisible() != line._sign.isVisible()
    assert line.download.isVisible() == (phase is Phase.NEEDS_MODEL)
    assert line.bar.isVisible() == (phase is Phase.DOWNLOADING)
    assert panel._header.stop.isVisible() == (phase in (Phase.LOOKING, Phase.ANSWERING))
    assert panel.actions_["stop"].isEnabled() == panel._header.stop.isVisible()


def test_a_missing_model_can_be_asked_for(qtbot, panel, talk):
    talk.state = ModelState(Phase.NEEDS_MODEL)
    panel._look()
    with qtbot.waitSignal(panel.download_requested):
        panel._header.state.download.click()


def test_reaches_differ_in_sign_and_words(qtbot, panel, talk):
    seen = set()
    for reach in Reach:
        talk.reach = reach
        panel._look()
        badge = panel._header.badge
        assert badge.words.text() == reach.value
        assert reach.value in badge.accessibleName()
        seen.add(bytes(badge._sign.pixmap().toImage().constBits()))
    assert len(seen) == 3
    with qtbot.waitSignal(panel.egress_requested):
        badge.click()


def test_pictures_that_were_sent_are_counted_and_sending_pauses(panel, talk):
    state = {"paused": False}
    panel.set_services(
        PanelServices(
            sent=lambda: 1,
            sending_paused=lambda: state["paused"],
            set_sending_paused=lambda on: state.update(paused=on),
        )
    )
    assert panel._header.badge.count.text() == "1 picture sent"
    panel.actions_["pause_sending"].trigger()
    assert state["paused"]
    assert panel._header.badge.count.text() == "Sending is paused; 1 picture sent"
    state["paused"] = False
    panel._look()
    assert not panel.actions_["pause_sending"].isChecked()


def test_who_answers_is_chosen_from_a_menu(panel, talk):
    chosen = []
    choices = (Choice("rules", "Rules, not AI"), Choice("server:a", "R&D <b>box</b>", Reach.INTERNET))
    panel.set_services(PanelServices(choices=lambda: choices, chosen=lambda: "rules", choose=chosen.append))
    menu = panel._header.menu
    menu.aboutToShow.emit()
    entries = [action for action in menu.actions() if action.isCheckable()]
    assert [entry.text() for entry in entries] == ["Rules, not AI  (this computer)", "R&&D <b>box</b>  (internet)"]
    assert [entry.isChecked() for entry in entries] == [True, False]
    entries[1].trigger()
    assert chosen == ["server:a"]
    assert menu.actions()[-1] is panel.actions_["settings"]


def test_the_answer_is_stopped_by_escape_and_by_the_button(qtbot, panel, talk, later):
    qtbot.keyClick(panel._foot.line, Qt.Key.Key_Escape)
    assert talk.done == []
    talk.state = ModelState(Phase.ANSWERING)
    panel._look()
    qtbot.mouseClick(panel._foot.send, Qt.MouseButton.LeftButton)
    assert talk.done == []  # The second half of a double click on "Ask".
    later["s"] += 1
    qtbot.mouseClick(panel._foot.send, Qt.MouseButton.LeftButton)
    panel._foot.line.setFocus()
    qtbot.keyClick(panel._foot.line, Qt.Key.Key_Escape)
    panel._header.stop.click()
    assert talk.done == [("stop",)] * 3


def test_a_question_can_be_asked_while_another_is_answered(qtbot, panel, talk):
    talk.holds = True
    talk.state = ModelState(Phase.ANSWERING)
    panel._look()
    for text in ("one", "two"):
        qtbot.keyClicks(panel._foot.line, text)
        qtbot.keyClick(panel._foot.line, Qt.Key.Key_Return)
    assert [message.text for message in talk.kept] == ["one", "two"]


def test_the_other_windows_are_asked_for(qtbot, panel):
    for name in ("watches", "history", "egress", "settings"):
        with qtbot.waitSignal(getattr(panel, f"{name}_requested")):
            panel.actions_[name].trigger()
    panel.actions_["describe"].trigger()
    assert panel._conversation.done == [("describe",)]


def test_the_conversation_is_looked_at_only_while_the_panel_is_seen(panel):
    assert panel._look_timer.isActive()
    panel.hide()
    assert not panel._look_timer.isActive()


def test_signs_follow_the_theme(qtbot, panel, talk, qapp: QApplication):
    theme = Theme(qapp, ThemeChoice.LIGHT)
    talk.say("A dog.", notes=("Not sure.",), proposals=(Proposal(1, "Record", ""),))
    view = last(panel)
    light = view.proposals[1]._sign.pixmap().toImage().copy()
    theme.choose(ThemeChoice.DARK)
    qtbot.waitUntil(lambda: view.proposals[1]._sign.pixmap().toImage() != light)
    assert [note.text() for note in view.notes] == ["Not sure."]
    theme.close()
