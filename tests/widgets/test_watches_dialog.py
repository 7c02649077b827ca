"""The dialog of watches: the form, its sentence, and a book that is changed from elsewhere too."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from scenescope.models import SpecError
from scenescope.pipelines.watches import WatchBook, WatchRule
from scenescope.widgets.watch_form import WatchForm
from scenescope.widgets.watches_dialog import WatchesDialog

RULES = (
    WatchRule(name="Any", trigger="appear", colour="red", for_s=2),
    WatchRule(name="Gone", trigger="vanish", labels=("cat", "dog"), between=("22:00", "06:30")),
    WatchRule(name="In", trigger="zone_enter", labels=("truck",), zone="A", question="Is it a truck?"),
    WatchRule(name="Out", trigger="zone_leave", zone="A", enabled=False),
    WatchRule(name="Stay", trigger="dwell", zone="<b>A</b>", for_s=30.0, cooldown_s=60.0),
    WatchRule(name="Cross", trigger="line_cross", line="Door", direction="in"),
    WatchRule(name="Crowd", trigger="count", labels=("person",), at_least=0, at_most=3, for_s=5.0),
)


@pytest.fixture
def book() -> WatchBook:
    book = WatchBook()
    book.restore(RULES)
    return book


@pytest.fixture
def dialog(qtbot, book):
    dialog = WatchesDialog(
        book,
        lambda rule: "There is no such zone." if rule.zone else "",
        lambda name: 0.0 if name == "In" else None,
        zones=lambda: ["A", "B"],
    )
    qtbot.addWidget(dialog)
    with qtbot.waitActive(dialog):
        dialog.show()
        dialog.activateWindow()
    yield dialog
    dialog.close()


def names(dialog: WatchesDialog) -> list[str]:
    return [dialog.table.item(row, 1).text() for row in range(dialog.table.rowCount())]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_form_gives_back_what_it_was_given(qtbot, rule):
    form = WatchForm()
    qtbot.addWidget(form)
    form.show_rule(rule)
    assert form.rule() == rule
    assert form.sentence.text().replace("\N{ZERO WIDTH SPACE}", "") == f"{rule.sentence}."


def test_a_form_that_makes_no_watch_says_why(qtbot):
    form = WatchForm()
    qtbot.addWidget(form)
    form.trigger.setCurrentIndex(form.trigger.findData("zone_enter"))
    assert "zone" in form.problem.text()
    assert not form.sentence.isVisibleTo(form)
    with pytest.raises(SpecError):
        form.rule()
    form.zone.setEditText("A")
    assert form.problem.text() == ""
    assert form.sentence.text() == "When a person enters zone A."


def test_the_table_tells_all(dialog):
    assert names(dialog) == [rule.name for rule in RULES]
    assert dialog.table.item(2, 3).text() == "There is no such zone."
    assert dialog.table.item(0, 4).text() == "never"
    assert dialog.table.item(2, 4).text() != "never"
    assert dialog.table.item(3, 0).checkState() is Qt.CheckState.Unchecked


def test_a_watch_is_added(qtbot, dialog, book):
    dialog.add.click()
    assert dialog.form.name.hasFocus()
    dialog.form.name.setText("Bikes")
    dialog.form.labels.setEditText("bicycle, bus")
    qtbot.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: names(dialog)[-1:] == ["Bikes"])
    assert book.get("Bikes").labels == ("bicycle", "bus")
    assert dialog.current.name == "Bikes"


def test_a_watch_is_edited_in_its_place_and_stays_off(qtbot, dialog, book):
    dialog.table.setCurrentCell(3, 1)
    dialog.form.name.setText("Left")
    dialog.save.click()
    qtbot.waitUntil(lambda: names(dialog)[3] == "Left")
    assert not book.get("Left").enabled
    assert len(book.rules) == len(RULES)


def test_a_name_is_given_once(dialog, book):
    dialog.table.setCurrentCell(0, 1)
    dialog.form.name.setText("GONE")
    dialog.save.click()
    assert "already" in dialog.form.problem.text()
    assert book.rules == RULES
    dialog.revert.click()
    assert dialog.form.name.text() == "Any"


def test_a_copy_gets_a_name_of_its_own(qtbot, dialog, book):
    dialog.table.setCurrentCell(2, 1)
    dialog.duplicate.click()
    dialog.save.click()
    qtbot.waitUntil(lambda: len(names(dialog)) == len(RULES) + 1)
    assert book.rules[-1].zone == "A"
    assert book.rules[-1].name != "In"


def test_a_removed_watch_comes_back_to_its_place_whatever_happened_meanwhile(qtbot, dialog, book):
    dialog.table.setFocus()
    dialog.table.setCurrentCell(2, 1)
    qtbot.keyClick(dialog.table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: "In" not in names(dialog))
    book.put(WatchRule(name="Meanwhile", trigger="appear"))
    dialog.notice.button.click()
    qtbot.waitUntil(lambda: names(dialog) == [*(rule.name for rule in RULES), "Meanwhile"])


def test_a_watch_is_switched_on_in_the_table(qtbot, dialog, book):
    dialog.table.item(3, 0).setCheckState(Qt.CheckState.Checked)
    qtbot.waitUntil(lambda: book.get("Out").enabled)


def test_changes_from_elsewhere_are_shown_and_leave_what_is_edited_alone(qtbot, dialog, book):
    dialog.table.setCurrentCell(0, 1)
    dialog.form.name.setText("half typed")
    book.put(WatchRule(name="From elsewhere", trigger="appear"))
    qtbot.waitUntil(lambda: "From elsewhere" in names(dialog))
    assert dialog.form.name.text() == "half typed"


def test_a_book_that_cannot_be_written_says_so(qtbot, tmp_path):
    folder = tmp_path / "file"
    folder.write_text("in the way")
    dialog = WatchesDialog(WatchBook(folder / "watches.yaml"))
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.save.click()
    qtbot.waitUntil(lambda: dialog.notice.isVisible())
    assert "until the program ends" in dialog.notice.hint.text()
    dialog.close()


def test_a_closed_dialog_hears_no_more(dialog, book):
    dialog.close()
    book.put(WatchRule(name="late", trigger="appear"))
