"""Adding a model: findings are shown and corrected, the preview follows, it is saved and used, refused files wait."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from scenescope.models import DenseMap, Detections, Keypoints, Labels, Masks
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.guess import Finding
from scenescope.models.catalogue.trust import is_trusted
from scenescope.widgets.add_model_dialog import AddModelDialog, found_words
from scenescope.widgets.findings_form import FindingsForm, confidence_words, value_text
from scenescope.widgets.main_window import MainWindow

pytestmark = pytest.mark.slow

MODELS = Path(__file__).resolve().parents[2] / "resources" / "models"


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "catalogue")
    put_back = use(made)
    yield made
    put_back()


@pytest.fixture
def matte(tmp_path: Path) -> Path:
    path = tmp_path / "mystery.onnx"
    path.write_bytes((MODELS / "selfie_segmentation_256.onnx").read_bytes())
    return path


@pytest.fixture
def open_dialog(qtbot: Any, photos: Path, catalogue: Catalogue) -> Iterator[Callable[[Path], AddModelDialog]]:
    image = cv2.imread(str(photos / "astronaut.png"))
    made: list[AddModelDialog] = []

    def make(path: Path) -> AddModelDialog:
        dialog = AddModelDialog(path, lambda: image)
        made.append(dialog)
        dialog.show()
        return dialog

    yield make
    for dialog in made:
        dialog.close()
        dialog.deleteLater()


def wait_until_idle(dialog: AddModelDialog, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dialog._job is None and dialog.guess is not None, timeout=60_000)


def test_findings_are_shown_corrected_and_tried(
    open_dialog: Callable[[Path], AddModelDialog], matte: Path, qtbot: Any
) -> None:
    dialog = open_dialog(matte)
    assert dialog.busy.isVisible()
    assert not dialog.save.isEnabled()
    wait_until_idle(dialog, qtbot)
    assert not dialog.busy.isVisible()
    assert dialog.save.isEnabled()
    assert dialog.use.isEnabled()
    combos = dialog.form.combos
    assert combos["task"].currentText() == "matte"
    assert combos["task"].accessibleName() == "Task"
    assert "%" in combos["task"].accessibleDescription()
    assert dialog.found.text().startswith("Areas: 1 x person.")
    assert dialog.view.accessibleDescription() == dialog.found.text()
    before = dialog.view._image.copy()

    colours = combos["colour"]
    colours.setFocus()
    QTest.keyClick(colours, Qt.Key.Key_Down)
    wait_until_idle(dialog, qtbot)
    assert dialog.guess.card.input["colour"] == "BGR"
    assert dialog.guess.finding("colour").corrected
    assert combos["colour"].currentText() == "BGR"
    assert combos["colour"].accessibleDescription().startswith("your choice")
    assert not np.array_equal(before, dialog.view._image)


def test_a_correction_while_another_is_tried_wins(
    open_dialog: Callable[[Path], AddModelDialog], matte: Path, qtbot: Any
) -> None:
    dialog = open_dialog(matte)
    wait_until_idle(dialog, qtbot)
    dialog._correct("normalisation", "0..255")
    dialog._correct("normalisation", "-1..1")
    wait_until_idle(dialog, qtbot)
    assert dialog.guess.finding("normalisation").value == "-1..1"
    dialog._correct("task", "detection")
    wait_until_idle(dialog, qtbot)
    assert dialog.notice.isVisible()
    assert not dialog.save.isEnabled()
    assert "detection" in dialog.notice.message.text()
    dialog._correct("task", "matte")
    wait_until_idle(dialog, qtbot)
    assert not dialog.notice.isVisible()


def test_it_is_saved_with_name_and_licence(
    open_dialog: Callable[[Path], AddModelDialog], matte: Path, qtbot: Any, catalogue: Catalogue
) -> None:
    dialog = open_dialog(matte)
    wait_until_idle(dialog, qtbot)
    dialog.name.setText("cut-out")
    dialog.licence.setCurrentText("Apache-2.0")
    wished: list[tuple[str, str]] = []
    dialog.use_wished.connect(lambda kind, name: wished.append((kind, name)))
    with qtbot.waitSignal(dialog.added, timeout=10_000) as added:
        QTest.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    card = catalogue.card("cut-out")
    assert card.sha256 == added.args[0].sha256
    assert (card.licence, card.task, card.architecture) == ("Apache-2.0", "matte", "matte")
    assert wished == [("matte", "cut-out")]
    assert not dialog.isVisible()


def test_closing_in_the_middle_ends_everything(open_dialog: Callable[[Path], AddModelDialog], qtbot: Any) -> None:
    dialog = open_dialog(MODELS / "nanodet_g_416_coco.onnx")
    qtbot.wait(300)
    dialog.close()
    assert dialog._job is None


def test_a_file_that_can_run_code_waits_for_trust(
    open_dialog: Callable[[Path], AddModelDialog], tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({"a": 1}))
    dialog = open_dialog(path)
    wait_until_idle(dialog, qtbot)
    assert "pickle" in dialog.notice.message.text()
    assert dialog.notice.button.text() == "I trust this file"
    assert not dialog.save.isEnabled()
    assert not is_trusted(path)
    # What happens then is Ultralytics' business; here only that it is asked for.
    asked: list[Any] = []
    dialog._guess = asked.append
    QTest.mouseClick(dialog.notice.button, Qt.MouseButton.LeftButton)
    assert is_trusted(path)
    assert asked == [{}]


def test_a_file_that_is_not_understood_says_what_was_tried(
    open_dialog: Callable[[Path], AddModelDialog], tmp_path: Path, qtbot: Any
) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("nothing of the sort")
    dialog = open_dialog(path)
    wait_until_idle(dialog, qtbot)
    assert "notes.onnx" in dialog.notice.message.text()
    assert "Tried:" in dialog.notice.hint.text()
    assert not dialog.save.isEnabled()


def test_models_dropped_on_the_window_are_opened_and_used(
    make_window: Callable[..., MainWindow], matte: Path, tmp_path: Path, qtbot: Any, catalogue: Catalogue
) -> None:
    window = make_window()
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(matte)), QUrl.fromLocalFile(str(folder))])
    at, buttons, keys = QPointF(200, 200), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(at, Qt.DropAction.CopyAction, data, buttons, keys))
    assert [dialog.path for dialog in window.add_models.dialogs] == [matte, folder]
    window.add_models.dialogs[1].close()
    (dialog,) = window.add_models.dialogs
    wait_until_idle(dialog, qtbot)
    count = window.editor.stack.count()
    QTest.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.add_models.dialogs, timeout=10_000)
    assert window.editor.stack.count() == count + 1
    stage = window.engine.spec.stages[-1]
    assert (stage.kind, stage.params) == ("matte", {"model": "mystery"})
    window.editor.stack.undo()
    assert all(stage.kind != "matte" for stage in window.engine.spec.stages)


# Words --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confidence", "corrected", "words"),
    [
        (0.97, False, "sure, 97 %"),
        (0.7, False, "likely, 70 %"),
        (0.3, False, "unsure, 30 %"),
        (1.0, True, "your choice"),
    ],
)
def test_confidence_in_words(confidence: float, corrected: bool, words: str) -> None:
    assert confidence_words(Finding("task", "pose", confidence, "", ("pose",), corrected)) == words


def test_confidence_is_told_by_shape_not_by_colour_alone(qtbot: Any) -> None:
    form = FindingsForm()
    qtbot.addWidget(form)
    shapes = []
    for confidence in (0.95, 0.7, 0.2):
        image = form._sign(Finding("task", "pose", confidence, "", ("pose",))).toImage()
        solid = [image.pixelColor(x, y).alpha() > 200 for y in range(image.height()) for x in range(image.width())]
        shapes.append(sum(solid))
    assert shapes[0] > shapes[1] > shapes[2]


def test_values_and_results_in_words() -> None:
    assert value_text((416, 320)) == "416 x 320"
    assert value_text("instance-segmentation") == "instance segmentation"
    assert value_text("NCHW") == "NCHW"
    boxes = Detections(xyxy=[[0, 0, 1, 1]] * 2, confidence=[0.5, 0.6], class_id=[0, 0], class_names=("cat",))
    assert found_words(boxes) == "Found: 2 x cat."
    assert found_words(Detections()) == "Nothing was found in it."
    labels = Labels(confidence=[0.8], class_id=[0], class_names=("bus",))
    assert found_words(labels) == "Most likely: bus 80%."
    assert found_words(Masks()) == "Nothing was found in it."
    assert found_words(Keypoints()) == "No points were found in it."
    assert found_words(DenseMap.covering(np.zeros((3, 4)), (8, 6), "depth")) == "A map of 4 x 3 values."
