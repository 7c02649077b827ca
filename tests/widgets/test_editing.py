"""Edits of the pipeline, made with mouse and keys."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from scenescope.pipelines import PipelineSpec, StageSpec
from scenescope.pipelines.events import StagePhase
from scenescope.pipelines.fakes import Broken
from scenescope.widgets.field_editors import NumberEditor
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.palette import Palette
from scenescope.widgets.params_form import ParamsForm, UnknownForm
from scenescope.widgets.stage_model import ROW_ROLE

pytestmark = pytest.mark.slow

CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def kinds(window: MainWindow) -> list[str]:
    return [stage.kind for stage in window.engine.spec.stages]


def shown(window: MainWindow) -> list[str]:
    model = window.stages.model
    return [model.index(row).data(ROW_ROLE).spec.kind for row in range(model.rowCount())]


def three_stages(make_window: Any) -> MainWindow:
    return make_window(PipelineSpec().added("boxes").added("tint").added("slow"))


def open_palette(window: MainWindow, qtbot: Any, action: str) -> Palette:
    window.actions_[action].trigger()
    qtbot.waitUntil(lambda: isinstance(QApplication.activePopupWidget(), Palette))
    popup = QApplication.activePopupWidget()
    assert isinstance(popup, Palette)
    return popup


def test_a_stage_is_added_by_typing(window: MainWindow, qtbot: Any) -> None:
    popup = open_palette(window, qtbot, "stage.add")
    assert {item.group for item in popup.shown} >= {"Test", "Edges and shapes", "Detect and recognise"}
    QTest.keyClicks(popup.line, "tin")
    assert popup.shown[0].title == "Tint"
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: kinds(window) == ["boxes", "tint"])
    qtbot.waitUntil(lambda: shown(window) == ["boxes", "tint"])
    assert window.stages.current_id == "tint"
    assert isinstance(window.stages.form, ParamsForm)


def test_a_stage_is_added_behind_the_chosen_one(make_window: Any, qtbot: Any) -> None:
    window = three_stages(make_window)
    window.stages.list.choose("boxes")
    window.stages.add("canny")
    assert kinds(window) == ["boxes", "canny", "tint", "slow"]


def test_plugins_that_cannot_be_imported_are_listed_with_their_problem(window: MainWindow, qtbot: Any) -> None:
    registry = window.stages._registry
    registry._found()["ruined"] = EntryPoint("ruined", "no_such_module:Stage", "scenescope.stages")
    popup = open_palette(window, qtbot, "stage.add")
    QTest.keyClicks(popup.line, "ruined")
    assert [item.title for item in popup.shown] == ["ruined"]
    assert "no_such_module" in popup.shown[0].problem
    QTest.keyClick(popup.line, Qt.Key.Key_Return)
    assert popup.isVisible()
    QTest.keyClick(popup.line, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is None)
    assert kinds(window) == ["boxes"]


def test_a_slider_drag_is_applied_live_and_undone_at_once(make_window: Any, qtbot: Any) -> None:
    window = make_window(PipelineSpec().added("tint"))
    stack = window.editor.stack
    form = window.stages.form
    assert isinstance(form, ParamsForm)
    editor = form.rows["add"].editor
    assert isinstance(editor, NumberEditor)
    slider = editor.slider
    assert slider is not None
    qtbot.waitUntil(lambda: slider.width() > 60)
    seen: set[int] = set()
    middle = slider.height() // 2
    start = QPoint(round(slider.width() * 10 / 255) + 4, middle)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 9):
        QTest.mouseMove(slider, QPoint(start.x() + step * slider.width() // 12, middle))
        seen.add(window.engine.spec.stages[0].params.get("add", 10))
        QApplication.processEvents()
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(start.x() + 8 * slider.width() // 12, middle))
    reached = window.engine.spec.stages[0].params["add"]
    assert len(seen) > 4, "the engine follows the drag"
    assert reached > 100
    assert stack.count() == 1
    QTest.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.engine.spec.stages[0].params == {}
    qtbot.waitUntil(lambda: editor.box.value() == 10)
    QTest.keyClick(window, Qt.Key.Key_Z, CTRL_SHIFT)
    assert window.engine.spec.stages[0].params["add"] == reached
    qtbot.waitUntil(lambda: editor.box.value() == reached)


def test_two_drags_are_two_steps(make_window: Any, qtbot: Any) -> None:
    window = make_window(PipelineSpec().added("tint"))
    for gesture in (1, 2):
        for value in (20, 30, 40):
            window.editor.set_param("tint", "add", value * gesture, gesture)
    assert window.editor.stack.count() == 2
    window.editor.stack.undo()
    assert window.engine.spec.stages[0].params["add"] == 40


def test_what_a_stage_refuses_changes_nothing(make_window: Any, qtbot: Any) -> None:
    window = make_window(PipelineSpec().added("tint"))
    before = window.engine.spec
    assert not window.editor.set_param("tint", "add", 300)
    assert window.engine.spec == before
    assert window.editor.stack.count() == 0
    assert window.notices.notice.isVisible()
    assert "add" in window.notices.notice.message.text()


def test_stages_are_moved_by_keys(make_window: Any, qtbot: Any) -> None:
    window = three_stages(make_window)
    rows = window.stages.list
    rows.setFocus()
    rows.choose("slow")
    QTest.keyClick(rows, Qt.Key.Key_Up, CTRL_SHIFT)
    assert kinds(window) == ["boxes", "slow", "tint"]
    qtbot.waitUntil(lambda: shown(window) == ["boxes", "slow", "tint"])
    assert window.stages.current_id == "slow"
    QTest.keyClick(rows, Qt.Key.Key_Up, CTRL_SHIFT)
    qtbot.waitUntil(lambda: shown(window) == ["slow", "boxes", "tint"])
    assert not window.actions_["stage.up"].isEnabled()
    QTest.keyClick(rows, Qt.Key.Key_Down, CTRL_SHIFT)
    qtbot.waitUntil(lambda: shown(window) == ["boxes", "slow", "tint"])
    window.editor.stack.undo()
    window.editor.stack.undo()
    window.editor.stack.undo()
    assert kinds(window) == ["boxes", "tint", "slow"]


@pytest.mark.parametrize(
    ("dragged", "gap", "expected"),
    [
        (0, 2, ["tint", "boxes", "slow"]),
        (0, 3, ["tint", "slow", "boxes"]),
        (0, -1, ["tint", "slow", "boxes"]),
        (2, 0, ["slow", "boxes", "tint"]),
        (1, 1, ["boxes", "tint", "slow"]),
        (1, 2, ["boxes", "tint", "slow"]),
    ],
)
def test_stages_are_moved_by_dragging(
    make_window: Any, qtbot: Any, dragged: int, gap: int, expected: list[str]
) -> None:
    window = three_stages(make_window)
    model = window.stages.model
    data = model.mimeData([model.index(dragged)])
    assert model.dropMimeData(data, Qt.DropAction.MoveAction, gap, 0, QModelIndex())
    assert kinds(window) == expected
    qtbot.waitUntil(lambda: shown(window) == expected)
    assert window.editor.stack.count() == (0 if expected == ["boxes", "tint", "slow"] else 1)


def test_stages_are_switched_duplicated_and_removed_by_keys(make_window: Any, qtbot: Any) -> None:
    window = three_stages(make_window)
    rows = window.stages.list
    rows.setFocus()
    rows.choose("tint")
    QTest.keyClick(rows, Qt.Key.Key_Space)
    assert not window.engine.spec.stage("tint").enabled
    qtbot.waitUntil(lambda: window.stages.model.rows[1].state.phase is StagePhase.DISABLED)
    assert "Off" in window.stages.model.rows[1].sentence
    QTest.keyClick(rows, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    assert window.engine.spec.stage("tint").enabled
    QTest.keyClick(rows, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert [stage.id for stage in window.engine.spec.stages] == ["boxes", "tint", "tint-2", "slow"]
    qtbot.waitUntil(lambda: len(shown(window)) == 4)
    QTest.keyClick(rows, Qt.Key.Key_Delete)
    assert [stage.id for stage in window.engine.spec.stages] == ["boxes", "tint-2", "slow"]
    qtbot.waitUntil(lambda: window.stages.current_id == "tint-2")


def test_the_check_box_is_clicked(window: MainWindow, qtbot: Any) -> None:
    rows = window.stages.list
    rect = rows.visualRect(rows.model().index(0, 0))
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(rect.left() + 18, rect.center().y()))
    assert not window.engine.spec.stages[0].enabled


def test_a_tripped_stage_is_shown_and_retried(make_window: Any, qtbot: Any) -> None:
    window = make_window(PipelineSpec().added("broken", {"start": 0, "times": 3}).added("boxes"))
    window.open_source_text("film")
    row = lambda: window.stages.model.rows[0]  # noqa: E731
    qtbot.waitUntil(lambda: row().state.phase is StagePhase.TRIPPED, timeout=10_000)
    assert "cannot do frame" in row().sentence
    # The notice comes with the failure, which may be told a moment after the new state.
    qtbot.waitUntil(window.notices.notice.isVisible, timeout=10_000)
    assert window.notices.notice.button.text() == "Retry"
    qtbot.waitUntil(lambda: bool(window.viewport.objects), timeout=10_000)
    rows = window.stages.list
    rect = rows._delegate.retry_rect(rows.visualRect(rows.model().index(0, 0)), rows.font())
    QTest.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    qtbot.waitUntil(lambda: row().state.phase is StagePhase.READY, timeout=10_000)


def test_a_stage_that_cannot_open_says_why_and_the_banner_retries(make_window: Any, qtbot: Any) -> None:
    window = make_window(PipelineSpec().added("broken", {"in_open": True}))
    window.open_source_text("live")
    row = lambda: window.stages.model.rows[0]  # noqa: E731
    qtbot.waitUntil(lambda: row().state.phase is StagePhase.UNAVAILABLE, timeout=10_000)
    assert "no such device" in row().sentence
    assert Broken.info.title in row().sentence
    qtbot.waitUntil(lambda: window.notices.notice.isVisible())
    window.notices.notice.button.click()
    qtbot.waitUntil(lambda: window.notices.notice.isVisible(), timeout=10_000)


def test_an_unknown_kind_is_a_placeholder_that_keeps_its_parameters(make_window: Any, qtbot: Any) -> None:
    spec = PipelineSpec(stages=(StageSpec(id="far", kind="far-away", params={"power": 9000}),))
    window = make_window(spec)
    assert isinstance(window.stages.form, UnknownForm)
    assert "power: 9000" in window.stages.form.text.toPlainText()
    assert "far-away" in window.stages.model.rows[0].sentence
    window.stages.add("tint")
    assert window.engine.spec.stages[0] == spec.stages[0]


def test_presets_and_files_are_edits_too(window: MainWindow, qtbot: Any, tmp_path: Path) -> None:
    before = window.engine.spec
    edges = next(preset for preset in window.files.presets() if preset.name == "edges")
    window.files.load_preset(edges)
    assert kinds(window) == ["blur", "canny"]
    assert window.files.save_path(tmp_path / "mine")
    assert window.files.path == tmp_path / "mine.yaml"
    window.actions_["pipeline.new"].trigger()
    assert kinds(window) == []
    assert window.files.open_path(tmp_path / "mine.yaml")
    assert kinds(window) == ["blur", "canny"]
    for _ in range(3):
        window.editor.stack.undo()
    assert window.engine.spec == before


def test_a_damaged_pipeline_file_changes_nothing(window: MainWindow, qtbot: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.yaml"
    damaged.write_text("stages: [", encoding="utf-8")
    before = window.engine.spec
    assert not window.files.open_path(damaged)
    assert window.engine.spec == before
    assert "damaged.yaml" in window.notices.notice.message.text()


def test_edits_from_outside_can_be_undone_as_well(window: MainWindow, qtbot: Any) -> None:
    before = window.engine.spec
    window.engine.apply(before.added("tint"))
    qtbot.waitUntil(lambda: window.editor.stack.count() == 1)
    assert shown(window) == ["boxes", "tint"]
    window.editor.stack.undo()
    assert window.engine.spec == before


@pytest.mark.slow
def test_an_edit_is_shown_while_a_stage_hangs(make_window: Any, qtbot: Any) -> None:
    window = make_window(PipelineSpec().added("slow", {"delay_s": 3}))
    window.open_source_text("live")
    qtbot.waitUntil(lambda: window.engine.stats is not None and window.engine.stats.in_flight > 0, timeout=10_000)
    window.stages.list.choose("slow")
    window.actions_["stage.duplicate"].trigger()
    qtbot.waitUntil(lambda: len(shown(window)) == 2, timeout=1_000)
