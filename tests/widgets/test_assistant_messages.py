"""Messages of the assistant: growing answers, pictures, notes, and what they lead to."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from scenescope.models.language import Evidence, MessageKind, Picture
from scenescope.widgets.assistant_fakes import FakeConversation
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.assistant_pictures import PictureDialog, PictureLoader, decoded
from scenescope.widgets.assistant_services import PanelServices


def a_picture(number: int = 0) -> Picture:
    image = np.full((72, 128, 3), 10 * number % 256, np.uint8)
    return Picture(cv2.imencode(".jpg", image)[1].tobytes(), number * 30, float(number), (128, 72))


# Growing ---------------------------------------------------------------------------------------------------------


def test_the_beginning_of_a_long_answer_stays_in_view_while_it_grows(panel, talk, last):
    for number in range(10):
        talk.say(f"message {number}")
    panel._show_waiting()
    answer = talk.say("word", MessageKind.ANSWER, doing="Answering")
    bar = panel._list.verticalScrollBar()
    tops = []
    for words in range(0, 2000, 100):
        talk.change(answer, text="word " * words)
        view = last()
        tops.append(view.y() - bar.value())
    assert view.height() > panel._list.viewport().height()
    assert tops[-1] == 0
    assert all(later <= sooner for sooner, later in itertools.pairwise(tops))
    assert panel._more.isVisible()
    panel._more.click()
    # Who has gone to the end of it goes on with the end.
    talk.change(answer, text="word " * 2500)
    last()
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


def test_of_many_states_of_a_message_only_the_newest_is_shown(panel, talk, last):
    answer = talk.say("0", MessageKind.ANSWER)
    for number in range(1, 2000):
        talk.change(answer, text=str(number))
    assert len(panel._inbox) == 1
    assert last().message.text == "1999"


def test_a_state_of_a_message_that_is_no_longer_shown_is_not_added_at_the_end(qtbot):
    talk = FakeConversation(count=300)
    panel = AssistantPanel(talk)
    qtbot.addWidget(panel)
    talk.change(talk.kept[0], text="undone")
    panel._show_waiting()
    assert panel._list.views[-1].message.text == "message 299"


def test_a_chip_that_has_the_focus_keeps_it_while_the_text_grows(panel, talk, last):
    answer = talk.say("Two", MessageKind.ANSWER, evidence=(Evidence(1, 1.0),))
    view = last()
    view.set_current(True)
    view.chips[0].setFocus()
    talk.change(answer, text="Two people")
    last()
    assert view.chips[0].hasFocus()


# What is shown ---------------------------------------------------------------------------------------------------


def test_what_is_being_done_is_a_line_that_goes_when_it_is_done(panel, talk, last):
    answer = talk.say("", MessageKind.ANSWER, doing="Looking at 4 pictures")
    view = last()
    assert view._doing_words.text() == "Looking at 4 pictures"
    assert view._doing.isVisible()
    assert not view.body.isVisible()
    assert "Looking" in view.accessibleDescription()
    assert panel._foot.send.text() == "Stop"
    talk.change(answer, text="A dog.", doing="")
    assert not last()._doing.isVisible()
    assert panel._foot.send.text() == "Ask"


def test_checks_are_told_by_sign_and_words(panel, talk, last):
    talk.say("A dog.", checked=True, notes=("Not confirmed by the detector: dog.",))
    view = last()
    assert view._checked.isVisible()
    assert view._checked.toolTip()
    assert [note.text() for note in view.notes] == ["Not confirmed by the detector: dog."]
    assert view.notes[0].textFormat() == Qt.TextFormat.PlainText
    assert "Checked" in view.accessibleName()
    assert "Not confirmed" in view.accessibleDescription()
    signs = [label for label in view._notes_box.findChildren(QLabel) if not label.pixmap().isNull()]
    assert len(signs) == 1


def test_a_watch_is_told_apart(panel, talk, last):
    talk.say("A truck is in zone A.", MessageKind.WATCH)
    view = last()
    assert view.property("kind") == "watch"
    assert view._head.text().startswith("watch")
    assert not view._sign.pixmap().isNull()


@pytest.mark.parametrize(("session_id", "seeks"), [(None, True), (7, True), (8, False)])
def test_evidence_of_another_session_does_not_seek_in_this_one(qtbot, panel, talk, session_id, seeks, last):
    panel.set_services(PanelServices(session_id=lambda: 7))
    evidence = Evidence(30, 1.0, 5, 99, session_id)
    talk.say("seen", evidence=(evidence,))
    sought, wanted = [], []
    panel.seek_requested.connect(sought.append)
    panel.evidence_requested.connect(wanted.append)
    last().chips[0].click()
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


def test_a_click_on_a_picture_enlarges_it_and_jumps_there(qtbot, panel, talk, last):
    talk.say("seen", pictures=(a_picture(1), a_picture(2), Picture(b"broken", 90, 3.0, (1, 1))))
    view = last()
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
