"""The picture: objects, zoom, drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip

from scenescope.pipelines import Line, PipelineSpec, Region, Stage, StageParams
from scenescope.pipelines.display import ObjectRef
from scenescope.widgets.drawing import Drawing
from scenescope.widgets.field_editors import ShapeEditor
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.params_form import ParamsForm
from scenescope.widgets.picking import best_match, in_order, object_at
from scenescope.widgets.viewport import object_sentence
from scenescope.widgets.zoom import Zoom

pytestmark = pytest.mark.slow


class Zoned(Stage, title="Zoned", group="Test"):
    """Has a place."""

    class Params(StageParams):
        zone: Region = Region()
        gate: Line = Line()


def ref(label: str, x: float, y: float, size: float, track_id: int | None = None, row: int = 0) -> ObjectRef:
    return ObjectRef("detect", row, label, 0.9, track_id, (x, y, x + size, y + size))


def middle(window: MainWindow) -> QPoint:
    assert window.viewport.place is not None
    return window.viewport.place.middle_of(window.viewport.objects[0]).toPoint()


# Picking -----------------------------------------------------------------------------------------------------------


def test_the_smallest_box_under_the_cursor_is_meant() -> None:
    outer, inner = ref("bus", 0, 0, 100), ref("person", 20, 20, 20)
    assert object_at([outer, inner], 25, 25) is inner
    assert object_at([inner, outer], 25, 25) is inner
    assert object_at([outer, inner], 90, 90) is outer
    assert object_at([outer, inner], 300, 90) is None


def test_of_a_box_and_its_track_the_track_is_meant_and_counted_once() -> None:
    plain, tracked = ref("car", 10, 10, 30), ref("car", 10, 10, 30, track_id=4)
    assert object_at([plain, tracked], 20, 20) is tracked
    assert in_order([plain, tracked, ref("dog", 0, 0, 5)]) == [ref("dog", 0, 0, 5), tracked]


def test_an_object_is_found_again_in_another_picture() -> None:
    car = ref("car", 10, 10, 30)
    assert best_match(car, [ref("person", 12, 12, 30), ref("car", 14, 12, 30)]) == ref("car", 14, 12, 30)
    assert best_match(car, [ref("car", 90, 90, 30)]) is None
    assert best_match(ref("car", 0, 0, 9, track_id=7), [ref("car", 80, 80, 9, track_id=7)]) is not None


# Objects -----------------------------------------------------------------------------------------------------------


def test_an_object_is_chosen_by_click_and_described(playing: MainWindow, qtbot: Any) -> None:
    assert not playing.object_info.chosen
    QTest.mouseMove(playing.viewport, middle(playing))
    assert playing.viewport.hovered is not None
    QTest.mouseClick(playing.viewport, Qt.MouseButton.LeftButton, pos=middle(playing))
    assert playing.object_info.chosen
    assert playing.object_info.name.text() == "person"
    assert "90% sure" in playing.object_info.facts.text()
    assert "16 x 20 px" in playing.object_info.facts.text()
    QTest.mouseClick(playing.viewport, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert not playing.object_info.chosen


def test_hovering_makes_the_box_stronger(playing: MainWindow, qtbot: Any) -> None:
    assert playing.viewport.picture is not None
    before = playing.viewport.picture.image.copy()
    QTest.mouseMove(playing.viewport, middle(playing))
    qtbot.waitUntil(
        lambda: playing.viewport.picture is not None and not np.array_equal(playing.viewport.picture.image, before),
        timeout=5_000,
    )
    assert playing.engine.display.options.emphasised == ("boxes", 0)


def test_an_object_is_chosen_by_keys(playing: MainWindow, qtbot: Any) -> None:
    view = playing.viewport
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.hovered is not None
    assert "person" in view.accessibleName()
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert view.selected is not None
    assert playing.object_info.chosen
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert view.selected is None
    assert not playing.object_info.chosen


def test_tab_goes_through_the_objects_and_on(playing: MainWindow, qtbot: Any) -> None:
    view = playing.viewport
    playing.activateWindow()
    view.setFocus()
    qtbot.waitUntil(view.hasFocus)
    QTest.keyClick(view, Qt.Key.Key_Tab)
    assert view.hovered is not None
    assert view.hasFocus()
    QTest.keyClick(view, Qt.Key.Key_Tab)
    assert not view.hasFocus()


def test_the_tooltip_says_what_it_is(playing: MainWindow, qtbot: Any) -> None:
    at = middle(playing)
    event = QHelpEvent(QEvent.Type.ToolTip, at, playing.viewport.mapToGlobal(at))
    QApplication.sendEvent(playing.viewport, event)
    assert QToolTip.text() == "person, 90%\n16 x 20 px"
    QToolTip.hideText()
    assert object_sentence(ref("car", 0, 0, 1, track_id=3)) == "car #3, 90%"


def test_a_chosen_object_is_followed_to_the_next_picture(playing: MainWindow, qtbot: Any) -> None:
    QTest.mouseClick(playing.viewport, Qt.MouseButton.LeftButton, pos=middle(playing))
    before = playing.viewport.selected
    assert before is not None
    index = playing.bridge.picture.frame_index
    QTest.keyClick(playing, Qt.Key.Key_Period)
    qtbot.waitUntil(lambda: playing.bridge.picture.frame_index == index + 1, timeout=5_000)
    after = playing.viewport.selected
    assert after is not None
    assert after.xyxy[0] > before.xyxy[0]


def test_a_track_stays_chosen_while_it_is_out_of_sight(playing: MainWindow, qtbot: Any) -> None:
    playing.viewport.select_track(99)
    assert playing.viewport.selected is None
    assert playing.engine.display.options.track_id == 99
    assert "#99" in playing.object_info.name.text()
    assert "out of sight" in playing.object_info.facts.text()


# Zoom --------------------------------------------------------------------------------------------------------------


def test_zoom_keeps_the_point_under_the_cursor() -> None:
    zoom = Zoom().magnified(2, (0.75, 0.25))
    assert zoom.scale == 2
    assert (0.75 - zoom.x) * 2 == pytest.approx(0.75)
    assert (0.25 - zoom.y) * 2 == pytest.approx(0.25)
    assert Zoom().magnified(0.5) == Zoom()
    assert zoom.moved(5, 5).xywh == (0.5, 0.5, 0.5, 0.5)
    assert zoom.magnified(1e9).scale == 32


def test_the_wheel_magnifies_round_the_cursor_and_dragging_pans(playing: MainWindow, qtbot: Any, settle: Any) -> None:
    view = playing.viewport
    assert view.place is not None
    at = QPointF(middle(playing))
    before = view.place.to_fraction(at)
    for _ in range(4):
        wheel = QWheelEvent(
            at, view.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(view, wheel)
        settle(playing, qtbot)
    assert view.zoom.scale == pytest.approx(1.2**4)
    assert view.place.to_fraction(at) == pytest.approx(before, abs=0.02)
    corner = view.zoom.x
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(300, 300))
    for x in (290, 270, 240):
        QTest.mouseMove(view, QPoint(x, 300))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(240, 300))
    assert view.zoom.x > corner
    assert view.selected is None
    QTest.keyClick(playing, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    assert view.zoom == Zoom()


def test_zoom_by_keys(playing: MainWindow, qtbot: Any) -> None:
    playing.actions_["zoom.in"].trigger()
    assert playing.viewport.zoom.scale > 1
    playing.viewport.setFocus()
    before = playing.viewport.zoom.x
    QTest.keyClick(playing.viewport, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert playing.viewport.zoom.x > before
    playing.actions_["zoom.out"].trigger()
    assert playing.viewport.zoom == Zoom()


# Painting ----------------------------------------------------------------------------------------------------------


def test_the_picture_is_centred_and_fills_the_view(playing: MainWindow, qtbot: Any) -> None:
    view = playing.viewport
    assert view.picture is not None
    assert view.place is not None
    height, width = view.picture.image.shape[:2]
    assert width == view.width() or height == view.height()
    assert view.place.target.center().x() == pytest.approx(view.width() / 2, abs=1)
    assert view.place.target.center().y() == pytest.approx(view.height() / 2, abs=1)
    inside = view.grab().toImage().pixelColor(view.rect().center())
    y, x = int(height / 2), int(width / 2)
    assert inside.red() == view.picture.image[y, x, 2]
    assert playing.bridge.painted().count > 0


def test_overlay_parts_are_switched_by_single_keys(playing: MainWindow, qtbot: Any) -> None:
    assert playing.engine.display.options.style.boxes
    QTest.keyClick(playing, Qt.Key.Key_B)
    assert not playing.engine.display.options.style.boxes
    assert not playing.actions_["overlay.boxes"].isChecked()
    QTest.keyClick(playing, Qt.Key.Key_B)
    assert playing.engine.display.options.style.boxes


# Drawing -----------------------------------------------------------------------------------------------------------


def test_a_polygon_grows_is_bent_and_is_taken_back() -> None:
    drawing = Drawing(is_line=False)
    pixel = (0.001, 0.001)
    for point in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)):
        drawing.press(point, pixel)
        drawing.release()
    assert drawing.complete
    drawing.press((0.901, 0.101), pixel)
    drawing.move((0.8, -0.2))
    drawing.release()
    assert drawing.points == [(0.1, 0.1), (0.8, 0.0), (0.9, 0.9)]
    drawing.take_back()
    assert not drawing.complete


def test_a_region_is_drawn_on_the_picture_and_becomes_a_parameter(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    window.stages._registry.add("zoned", Zoned)
    window.editor.replace(PipelineSpec().added("zoned"), "test")
    window.open_source_text("film")
    qtbot.waitUntil(lambda: window.viewport.picture is not None, timeout=10_000)
    qtbot.waitUntil(lambda: isinstance(window.stages.form, ParamsForm) and "zone" in window.stages.form.rows)
    form = window.stages.form
    assert isinstance(form, ParamsForm)
    zone, gate = form.rows["zone"].editor, form.rows["gate"].editor
    assert isinstance(zone, ShapeEditor)
    assert isinstance(gate, ShapeEditor)
    view = window.viewport

    def click(x: float, y: float) -> QPoint:
        assert view.place is not None
        at = view.place.from_fraction((x, y)).toPoint()
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)
        return at

    zone.draw.click()
    assert view.drawing is not None
    view.grab()
    for corner in ((0.2, 0.2), (0.8, 0.2), (0.5, 0.8)):
        click(*corner)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert view.drawing is None
    points = window.engine.spec.stages[0].params["zone"]["points"]
    assert np.allclose(points, [[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]], atol=0.01)
    assert not zone.draw.isChecked()

    gate.clear.click()
    gate.draw.click()
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    QTest.keyClick(view, Qt.Key.Key_Backspace)
    click(0.5, 0.1)
    click(0.5, 0.9)
    QTest.keyClick(view, Qt.Key.Key_Return)
    line = window.engine.spec.stages[0].params["gate"]
    assert np.allclose([line["start"], line["end"]], [[0.5, 0.1], [0.5, 0.9]], atol=0.01)

    zone.draw.click()
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert view.drawing is None
    assert not zone.draw.isChecked()
    assert window.engine.spec.stages[0].params["zone"]["points"] == points


def test_there_is_nothing_to_draw_on_without_a_picture(window: MainWindow, qtbot: Any) -> None:
    window.stages.draw_requested.emit(False, [])
    assert window.viewport.drawing is None
    assert "no picture to draw on" in window.notices.notice.message.text()
