"""Changes with their undo, and proposals that wait for a click."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from scenescope.models.language import Change, DiffLine, MessageKind, Proposal
from scenescope.widgets.assistant_diff import folded, words_of

SAME = DiffLine("=", "Resize")
LINES = (SAME, DiffLine("=", "Blur faces"), SAME, SAME, DiffLine("+", "Detect edges"), DiffLine("-", "Cartoon"))


def test_what_stays_is_folded():
    assert folded(LINES[:5]) == LINES[:5]
    assert [str(line.sign + line.text) for line in folded(LINES)] == ["=4 as before", "+Detect edges", "-Cartoon"]
    ends = (DiffLine("+", "New"), *[SAME] * 9)
    assert folded(ends) == (DiffLine("+", "New"), DiffLine("=", "9 as before"))
    assert words_of(LINES[4:]) == "new: Detect edges; gone: Cartoon"


def test_a_change_is_undone_with_one_click(panel, talk, last):
    talk.say("Done.", MessageKind.ANSWER, changes=(Change(4, "Add 'Detect edges'", LINES),))
    card = last().changes[4]
    assert card.diff.lines == folded(LINES)
    card.undo.click()
    assert talk.done == [("undo", 4)]
    last()
    assert card.undo.text() == "Undone"
    assert not card.undo.isEnabled()


def test_what_cannot_be_undone_says_so(panel, talk, last):
    talk.say("Done.", changes=(Change(1, "Add", undoable=False),))
    undo = last().changes[1].undo
    assert not undo.isEnabled()
    assert "cannot" in undo.toolTip()


@pytest.mark.parametrize(
    ("button", "done", "words"),
    [("do_it", ("accept", 3), "You agreed: done."), ("leave_it", ("dismiss", 3), "Left as it was.")],
)
def test_a_proposal_is_decided_once_and_shown_as_decided(panel, talk, later, button, done, words, last):
    talk.say("May I?", MessageKind.ANSWER, proposals=(Proposal(3, "Stop blurring faces", "Privacy.", LINES),))
    card = last().proposals[3]
    later["s"] += 1
    getattr(card, button).click()
    getattr(card, button).click()
    last()
    getattr(card, button).click()
    assert talk.done == [done]
    assert card.decided.text() == words
    assert card.decided.isVisible()
    assert not card.do_it.isVisible()


def test_a_click_right_after_a_proposal_has_appeared_or_moved_is_ignored(panel, talk, later, last):
    talk.say("May I?", MessageKind.ANSWER, proposals=(Proposal(3, "Record", "Data."),))
    card = last().proposals[3]
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


def test_return_in_the_line_never_accepts(qtbot, panel, talk, later, last):
    talk.say("May I?", MessageKind.ANSWER, proposals=(Proposal(3, "Record", "Data."), Proposal(4, "Export", "Data.")))
    view = last()
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
    last()
    assert not any(button.hasFocus() for button in view.buttons)
