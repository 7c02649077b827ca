"""Zones on the picture: drawn, dragged, named, undone, loaded and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QLineEdit

from scenescope.pipelines import PipelineSpec, Stage, StageParams
from scenescope.pipelines.fakes import fake_registry
from scenescope.pipelines.zones.model import ZoneSet
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.params_form import ParamsForm
from scenescope.widgets.zone_commands import ZoneCommands
from scenescope.widgets.zones_editor import ZonesEditor

pytestmark = pytest.mark.slow

SQUARE = [(0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6)]
SHAPES = {
    "zones": [{"name": "Yard", "points": SQUARE}],
    "lines": [{"name": "Gate", "start": (0.1, 0.9), "end": (0.9, 0.9)}],
}


class Places(Stage, title="Places", group="Test", stateful=True, kind="zones"):
    """Stands for the stage that counts."""

    class Params(StageParams):
        shapes: ZoneSet = ZoneSet()


class Follow(Stage, title="Follow", group="Test", kind="track"):
    """Stands for the tracker."""


@pytest.fixture
def window(make_window: Callable[..., MainWindow], qtbot: Any) -> MainWindow:
    registry = fake_registry()
    registry.add("zones", Places)
    registry.add("track", Follow)
    window = make_window(PipelineSpec().added("boxes"), registry=registry)
    window.open_source_text("film")
    qtbot.waitUntil(lambda: window.viewport.place is not None, timeout=10_000)
    return window


@pytest.fixture
def zones(window: MainWindow) -> ZoneCommands:
    """The window's own commands for zones."""
    commands: ZoneCommands = window.inspection.zones
    return commands


def at(window: MainWindow, point: tuple[float, float]) -> QPoint:
    assert window.viewport.place is not None
    return window.viewport.place.from_fraction(point).toPoint()


def drag(window: MainWindow, start: tuple[float, float], *way: tuple[float, float]) -> None:
    QTest.mousePress(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, start))
    for point in way:
        QTest.mouseMove(window.viewport, at(window, point))
    QTest.mouseRelease(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, way[-1]))


def with_shapes(window: MainWindow, zones: ZoneCommands) -> None:
    window.editor.replace(window.engine.spec.added("zones", {"shapes": SHAPES}), "Add zones")
    zones.edit(True)


def test_a_drawn_zone_adds_the_stage_and_a_tracker(window, zones):
    zones.draw_zone()
    for corner in SQUARE[:3]:
        QTest.mouseClick(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, corner))
    QTest.keyClick(window.viewport, Qt.Key.Key_Return)
    assert [stage.kind for stage in window.engine.spec.stages] == ["boxes", "track", "zones"]
    assert zones.zones.names == ("Zone 1",)
    for drawn, wanted in zip(zones.zones.zones[0].points, SQUARE[:3], strict=True):
        assert drawn == pytest.approx(wanted, abs=0.005)
    assert zones.layer.active
    window.editor.stack.undo()
    assert zones.zones.names == ()
    assert [stage.kind for stage in window.engine.spec.stages] == ["boxes"]


def test_a_line_and_the_ground_are_drawn(window, zones):
    zones.draw_line()
    for corner in SQUARE[:2]:
        QTest.mouseClick(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, corner))
    QTest.keyClick(window.viewport, Qt.Key.Key_Return)
    zones.draw_ground()
    for corner in SQUARE:
        QTest.mouseClick(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, corner))
    QTest.keyClick(window.viewport, Qt.Key.Key_Return)
    assert zones.zones.lines[0].name == "Line 1"
    assert zones.zones.ground is not None
    assert zones.stage is not None


def test_three_corners_are_no_ground(window, zones, qtbot):
    zones.draw_ground()
    for corner in SQUARE[:3]:
        QTest.mouseClick(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, corner))
    with qtbot.waitSignal(zones.failed) as failed:
        QTest.keyClick(window.viewport, Qt.Key.Key_Return)
    assert failed.args[1] == "Click exactly four corners."
    assert zones.stage is None


def test_a_corner_is_dragged_while_the_film_runs_and_one_undo_takes_it_back(window, zones):
    with_shapes(window, zones)
    before = window.editor.stack.count()
    drag(window, SQUARE[2], (0.65, 0.65), (0.7, 0.7), (0.8, 0.75))
    assert zones.zones.zones[0].points[2] == pytest.approx((0.8, 0.75), abs=0.01)
    assert zones.zones.zones[0].points[:2] == tuple(SQUARE[:2])
    assert window.editor.stack.count() == before + 1
    window.editor.stack.undo()
    assert zones.zones.zones[0].points == tuple(SQUARE)


def test_a_zone_is_dragged_as_a_whole_and_stays_in_the_picture(window, zones):
    with_shapes(window, zones)
    drag(window, (0.4, 0.4), (0.2, 0.4), (0.0, 0.4))
    assert min(x for x, _ in zones.zones.zones[0].points) == 0.0
    assert max(x for x, _ in zones.zones.zones[0].points) == pytest.approx(0.4)


def test_a_double_click_on_an_edge_adds_a_corner_and_delete_removes_it(window, zones):
    with_shapes(window, zones)
    QTest.mouseDClick(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, (0.4, 0.2)))
    assert len(zones.zones.zones[0].points) == 5
    QTest.keyClick(window.viewport, Qt.Key.Key_Delete)
    assert zones.zones.zones[0].points == tuple(SQUARE)
    QTest.keyClick(window.viewport, Qt.Key.Key_Delete)
    assert zones.zones.names == ("Gate",)


def test_the_keyboard_alone_moves_a_corner(window, zones):
    with_shapes(window, zones)
    window.viewport.setFocus()
    QTest.keyClick(window.viewport, Qt.Key.Key_Tab)
    assert zones.layer.sentence == "Gate, corner 1"
    assert window.viewport.accessibleName() == "Picture: Gate, corner 1"
    before = window.editor.stack.count()
    for _ in range(5):
        QTest.keyClick(window.viewport, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert zones.zones.lines[0].start[1] < 0.9
    assert zones.zones.lines[0].end == (0.9, 0.9)
    assert window.editor.stack.count() == before + 1
    QTest.keyClick(window.viewport, Qt.Key.Key_Escape)
    assert zones.layer.grip is None


def test_outside_the_shapes_the_picture_works_as_ever(window, zones):
    with_shapes(window, zones)
    QTest.mouseClick(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, (0.95, 0.05)))
    assert zones.layer.grip is None
    zones.edit(False)
    before = zones.zones
    drag(window, SQUARE[2], (0.8, 0.8))
    assert zones.zones == before


def test_the_form_lists_names_and_removes(window, zones, qtbot):
    with_shapes(window, zones)
    qtbot.waitUntil(lambda: window.stages.model.row_of("zones") >= 0, timeout=5_000)
    window.stages.list.choose("zones")
    assert isinstance(window.stages.form, ParamsForm)
    editor = window.stages.form.rows["shapes"].inner
    assert isinstance(editor, ZonesEditor)
    assert [editor.list.item(i).text() for i in range(editor.list.count())] == ["Yard  (zone)", "Gate  (line)"]
    editor.choose("Yard")
    name = next(line for line in editor.form.findChildren(QLineEdit) if line.accessibleName() == "Name")
    name.setText("Court")
    name.editingFinished.emit()
    assert zones.zones.names == ("Court", "Gate")
    assert editor.current == "Court"
    name = next(line for line in editor.form.findChildren(QLineEdit) if line.accessibleName() == "Name")
    name.setText("Gate")
    name.editingFinished.emit()
    assert zones.zones.names == ("Court", "Gate")
    assert editor.problem.text().startswith("Value: two zones or lines are called 'Gate'")
    editor.remove.click()
    assert zones.zones.names == ("Gate",)


def test_zones_are_saved_and_loaded(window, zones, tmp_path: Path, monkeypatch, qtbot):
    with_shapes(window, zones)
    path = tmp_path / "zones.yaml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    zones.save()
    assert ZoneSet.load(path) == zones.zones
    window.editor.stack.undo()
    assert zones.stage is None
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    zones.load()
    assert zones.zones == ZoneSet.model_validate(SHAPES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"zones: [{name: A, points: [[0, 0], [1, 1]]}]", "zones.0.points"),
        (b"zones: [{name: A, points: [[0, 0], [1, 1], [2, 0]]}]", "zones.0.points.2.0"),
        (b"lines: [{name: A, start: [0, 0], end: [0, 0]}]", "has no length"),
        (b"- 1", "has no 'zones' or 'lines'"),
        (b"zones: [", "is not YAML or JSON, line 1"),
        (b"\xff\xfe\x00", "is not YAML or JSON"),
        (b"walls: []", "there is no parameter 'walls'"),
        (b"# " + b"x" * 1_100_000, "is too large"),
    ],
)
def test_a_bad_file_is_one_sentence_and_changes_nothing(window, zones, tmp_path, qtbot, content, words):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with qtbot.waitSignal(zones.failed) as failed:
        assert not zones.load_from(path)
    assert words in failed.args[0]
    assert zones.stage is None


def test_dragging_loses_no_picture(window, zones, qtbot):
    with_shapes(window, zones)
    before = window.engine.counts
    QTest.mousePress(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, SQUARE[2]))
    for i in range(1, 61):
        QTest.mouseMove(window.viewport, at(window, (0.6 + i / 300, 0.6)))
        qtbot.wait(16)
    QTest.mouseRelease(window.viewport, Qt.MouseButton.LeftButton, pos=at(window, (0.8, 0.6)))
    after = window.engine.counts
    assert after.dropped == before.dropped == 0
    # At 60 pictures a second; a loaded machine plays more slowly, but stops for nothing.
    assert after.analysed - before.analysed >= 15
    assert zones.zones.zones[0].points[2][0] == pytest.approx(0.8, abs=0.02)


def test_the_layer_follows_the_zoom(window, zones):
    with_shapes(window, zones)
    window.viewport.zoom_in()
    QTest.qWait(200)
    place = window.viewport.place
    assert place is not None
    assert place.to_fraction(QPointF(at(window, SQUARE[0]))) == pytest.approx(SQUARE[0], abs=0.005)
