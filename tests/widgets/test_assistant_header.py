"""The head of the assistant's panel: who answers, how they are, where pictures go; and what its buttons lead to."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from scenescope.models.language import ModelState, Phase, Proposal, Reach
from scenescope.widgets.assistant_services import Choice, PanelServices
from scenescope.widgets.theme import Theme, ThemeChoice


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
    assert panel._header.stop.isVisible() == (phase in (Phase.LOADING, Phase.LOOKING, Phase.ANSWERING))
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


def test_the_conversation_is_looked_at_as_long_as_there_is_one(panel):
    panel.hide()
    # The key that stops it, and the badge over the picture, need it then.
    assert panel._look_timer.isActive()
    panel.set_conversation(None)
    assert not panel._look_timer.isActive()


def test_signs_follow_the_theme(qtbot, panel, talk, qapp: QApplication, last):
    theme = Theme(qapp, ThemeChoice.LIGHT)
    talk.say("A dog.", notes=("Not sure.",), proposals=(Proposal(1, "Record", ""),))
    view = last()
    light = view.proposals[1]._sign.pixmap().toImage().copy()
    theme.choose(ThemeChoice.DARK)
    qtbot.waitUntil(lambda: view.proposals[1]._sign.pixmap().toImage() != light)
    assert [note.text() for note in view.notes] == ["Not sure."]
    theme.close()
