"""The table of actions, the command palette, icons and themes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from scenescope.widgets.action_table import ACTIONS, CATEGORIES, ActionSpec
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.help import AboutDialog, ShortcutsDialog
from scenescope.widgets.icons import icon, names, pixmap
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.palette import Palette, PaletteItem, fuzzy_score
from scenescope.widgets.theme import DARK, LIGHT, Colours, Theme, ThemeChoice, contrast

# Many processes, files or windows: not part of the quick loop.
pytestmark = pytest.mark.slow


def open_palette(window: MainWindow, qtbot: Any) -> Palette:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: isinstance(QApplication.activePopupWidget(), Palette))
    popup = QApplication.activePopupWidget()
    assert isinstance(popup, Palette)
    return popup


# Table -------------------------------------------------------------------------------------------------------------


def test_every_shortcut_is_its_own(make_window: Any, qtbot: Any) -> None:
    window = make_window(assistant_panel=AssistantPanel())
    actions = {id(action): action for action in window.findChildren(QAction) if not action.shortcut().isEmpty()}
    keys = Counter(action.shortcut().toString() for action in actions.values() if action.text() != "Copy")
    assert [key for key, times in keys.items() if times > 1] == []
    assert len(keys) >= len(ACTIONS)


def test_every_action_is_complete(window: MainWindow) -> None:
    menus = window.findChildren(QMenu)
    problems = [(spec.id, problem) for spec in ACTIONS for problem in problems_of(spec, window, menus)]
    assert problems == []


def problems_of(spec: ActionSpec, window: MainWindow, menus: list[QMenu]) -> Iterator[str]:
    """What is wrong with an action."""
    action = window.actions_[spec.id]
    shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    for problem, found in {
        "no menu of that name": spec.category not in CATEGORIES,
        "no shortcut": QKeySequence(spec.shortcut).isEmpty(),
        "no tooltip": not spec.tooltip,
        "a tooltip is no sentence": spec.tooltip.endswith("."),
        "another status tip": action.statusTip() != spec.tooltip,
        "the tooltip lacks the shortcut": not action.toolTip().endswith(f"({shown})"),
        "nothing to run": not callable(attrgetter(spec.handler)(window)),
        "no such icon": spec.icon != "" and spec.icon not in names(),
        "in no menu": not any(action in menu.actions() for menu in menus),
    }.items():
        if found:
            yield problem


def test_menu_letters_do_not_clash() -> None:
    for category in CATEGORIES:
        letters = [spec.text[spec.text.index("&") + 1].lower() for spec in ACTIONS if spec.category == category]
        clashing = [letter for letter, times in Counter(letters).items() if times > 1]
        assert clashing == [], category


def test_what_cannot_be_done_is_grey(window: MainWindow, qtbot: Any) -> None:
    grey = {action.spec.id for action in window.actions_ if not action.isEnabled()}
    assert {"edit.undo", "edit.redo", "stage.up", "stage.down", "stage.retry", "play.stop", "play.step"} <= grey
    assert "stage.remove" not in grey
    window.actions_["stage.remove"].trigger()
    qtbot.waitUntil(lambda: not window.actions_["stage.remove"].isEnabled())
    assert window.actions_["edit.undo"].isEnabled()
    assert window.actions_["edit.undo"].plain_text == "Undo remove boxes"


# Palette -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("ed", "Preset: Edges", "Duplicate stage"),
        ("ds", "Duplicate stage", "Demo camera is here"),
        ("undo", "Undo", "Sound of thunder"),
        ("stage", "Add stage", "Save the image"),
        ("cp", "Command palette", "Copy"),
    ],
)
def test_good_matches_come_first(query: str, better: str, worse: str) -> None:
    good, bad = fuzzy_score(query, better), fuzzy_score(query, worse)
    assert good is not None
    assert bad is None or good > bad


@pytest.mark.parametrize(("query", "text"), [("xyz", "Undo"), ("odnu", "Undo"), ("undoo", "Undo")])
def test_letters_must_occur_in_order(query: str, text: str) -> None:
    assert fuzzy_score(query, text) is None


def test_the_palette_runs_an_action_by_keys_alone(window: MainWindow, qtbot: Any) -> None:
    popup = open_palette(window, qtbot)
    groups = {item.group for item in popup.shown}
    assert {*CATEGORIES, "Presets", "Add stage"} <= groups
    QTest.keyClicks(popup.line, "theme dark")
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.theme.choice is ThemeChoice.DARK)
    assert QApplication.activePopupWidget() is None


def test_the_palette_adds_stages_and_loads_presets(window: MainWindow, qtbot: Any) -> None:
    for typed, kinds in (("add tint", ["boxes", "tint"]), ("preset edges", ["blur", "canny"])):
        popup = open_palette(window, qtbot)
        QTest.keyClicks(popup.line, typed)
        QTest.keyClick(popup.line, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda kinds=kinds: [stage.kind for stage in window.engine.spec.stages] == kinds)


def test_the_palette_offers_recent_sources(window: MainWindow, qtbot: Any) -> None:
    window.open_source_text("film")
    popup = open_palette(window, qtbot)
    QTest.keyClicks(popup.line, "open film")
    assert popup.shown[0].title == "Open film"
    QTest.keyClick(popup.line, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is None)


def test_arrows_go_round_and_skip_what_cannot_be_chosen(window: MainWindow, qtbot: Any) -> None:
    ran: list[str] = []
    items = [
        PaletteItem("Alpha", lambda: ran.append("a")),
        PaletteItem("Beta", lambda: ran.append("b"), problem="broken"),
        PaletteItem("Gamma", lambda: ran.append("c")),
    ]
    popup = Palette(items, "Choose", window)
    popup.popup()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up):
        QTest.keyClick(popup.line, key)
    assert popup.view.currentIndex().row() == 2
    popup.grab()
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: ran == ["c"])


def test_nothing_that_matches_is_said(window: MainWindow, qtbot: Any) -> None:
    popup = open_palette(window, qtbot)
    QTest.keyClicks(popup.line, "qqqq")
    assert popup.shown == []
    assert popup.nothing.isVisible()
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    assert popup.isVisible()
    popup.close()


def test_presets_have_numbers(window: MainWindow, qtbot: Any) -> None:
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    assert [stage.kind for stage in window.engine.spec.stages] == ["detect", "track"]


def test_shortcuts_are_listed_and_found(window: MainWindow, qtbot: Any) -> None:
    dialog = ShortcutsDialog([(action.spec.category, action) for action in window.actions_], window)
    assert dialog.table.rowCount() == len(ACTIONS)
    dialog.line.setText("ctrl+k")
    visible = [row for row in range(dialog.table.rowCount()) if not dialog.table.isRowHidden(row)]
    assert [dialog.table.item(row, 1).text() for row in visible] == ["Command palette"]
    dialog.deleteLater()


def test_about_names_what_it_is_built_on(window: MainWindow, qtbot: Any) -> None:
    dialog = AboutDialog(window)
    text = " ".join(label.text() for label in dialog.findChildren(type(window.status.source)))
    assert "Apache License 2.0" in text
    assert "PySide6 6." in text
    dialog.deleteLater()


# Icons and colours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_icon_draws_something_in_its_colour(qapp: QApplication, name: str) -> None:
    image = pixmap(name, QColor("#ff0000"), 32).toImage()
    painted = [image.pixelColor(x, y) for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() > 200]
    assert len(painted) > 10
    assert all(colour.red() > 200 and colour.green() < 60 for colour in painted)
    assert not icon(name, QColor("#000000"), QColor("#888888")).isNull()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["window", "panel", "raised", "field", "stage"])
@pytest.mark.parametrize("ink", ["text", "muted", "good", "warning", "bad"])
def test_text_is_readable(colours: Colours, ground: str, ink: str) -> None:
    assert contrast(getattr(colours, ink), getattr(colours, ground)) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_chosen_things_are_readable(colours: Colours) -> None:
    assert contrast(colours.on_accent, colours.accent) >= 4.5
    assert contrast(colours.text, colours.accent_soft) >= 4.5
    assert contrast(colours.muted, colours.accent_soft) >= 4.5
    assert contrast(colours.accent, colours.panel) >= 3


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_system_is_followed_only_when_that_is_the_wish(qapp: QApplication) -> None:
    theme = Theme(qapp, ThemeChoice.SYSTEM)
    seen: list[Colours] = []
    theme.changed.connect(lambda: seen.append(theme.colours))
    QGuiApplication.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert len(seen) == 1
    theme.choose(ThemeChoice.DARK)
    QGuiApplication.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert seen[1:] == [DARK]
    theme.close()
    theme.deleteLater()
