"""The calibration assistant, shown a rendered board by a camera that is known exactly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from scenescope.pipelines.calibration import CalibrationBoard, CameraCalibration
from scenescope.pipelines.calibration_fakes import POSES, FakeCamera
from scenescope.widgets.calibration_dialog import CalibrationDialog
from scenescope.widgets.calibration_print import write_board

pytestmark = pytest.mark.slow

CAMERA = CameraCalibration((640, 480), [[520, 0, 327.3], [0, 523, 236.1], [0, 0, 1]], [-0.28, 0.09, 0.0012, -0.0008, 0])


def rendered(poses) -> list[np.ndarray]:
    fake, board = FakeCamera(CAMERA), CalibrationBoard()
    return [fake.picture(board, *fake.posed(board, pose)) for pose in poses]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return rendered(POSES[:1])[0]


class Showing:
    """A camera that shows what it is told."""

    def __init__(self) -> None:
        self.image: np.ndarray | None = None

    def __call__(self) -> np.ndarray | None:
        return None if self.image is None else self.image.copy()


@pytest.fixture
def camera() -> Showing:
    return Showing()


@pytest.fixture
def dialog(qtbot, tmp_path, camera):
    made = CalibrationDialog(camera, tmp_path)
    made.resize(960, 600)
    with qtbot.waitExposed(made):
        made.show()
    yield made
    made.close()
    made.deleteLater()


def show(qtbot, dialog, camera, image) -> None:
    """Hold a board before the camera until its view is taken."""
    before = len(dialog.session.views)
    camera.image = image
    qtbot.waitUntil(lambda: dialog.views.value() > before or before >= 12, timeout=15_000)


def test_it_waits_for_a_picture_and_then_says_what_to_do(qtbot, dialog, camera):
    assert "Print the board" in dialog.advice.text()
    assert not dialog.solve_button.isEnabled()
    assert not dialog.save_button.isEnabled()
    camera.image = np.full((480, 640, 3), 90, np.uint8)
    qtbot.waitUntil(lambda: dialog.advice.text() == "Show the board to the camera.", timeout=15_000)
    assert dialog.view.accessibleDescription() == "No board seen"
    middle = dialog.view.grab().toImage().pixelColor(dialog.view.width() // 2, dialog.view.height() // 2)
    assert (middle.red(), middle.green(), middle.blue()) == (90, 90, 90)


def test_views_are_taken_one_by_one_with_the_keyboard(qtbot, dialog, camera, picture):
    dialog.auto.setChecked(False)
    camera.image = picture
    qtbot.waitUntil(lambda: dialog.view.accessibleDescription() == "Board seen, 40 corners", timeout=15_000)
    assert dialog.session.views == ()
    dialog.take_button.setFocus()
    QTest.keyClick(dialog.take_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(dialog.session.views) == 1, timeout=15_000)
    qtbot.waitUntil(lambda: dialog.views.value() == 1, timeout=15_000)
    QTest.keyClick(dialog.take_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: dialog.advice.text().startswith("Such a view is there already."), timeout=15_000)
    assert len(dialog.session.views) == 1
    dialog.anew_button.click()
    assert dialog.session.views == ()
    assert dialog.views.value() == 0


@pytest.mark.slow
def test_from_the_first_view_to_the_saved_file(qtbot, dialog, camera, tmp_path):
    for image in rendered(POSES[:12]):
        show(qtbot, dialog, camera, image)
    assert len(dialog.session.views) == 12
    assert dialog.wanted.value() == dialog.wanted.maximum()
    assert dialog.solve_button.isDefault()
    assert "wait" not in dialog.problem.text()
    dialog.solve_button.click()
    qtbot.waitUntil(lambda: dialog.solution is not None, timeout=30_000)
    assert dialog.outcome.text().startswith("Very good: corners fit within 0.")
    assert not dialog.auto.isChecked(), "what was solved is not thrown away by the next view"
    dialog.straight.setChecked(True)
    qtbot.waitUntil(lambda: not np.array_equal(dialog.view._image, camera.image), timeout=15_000)
    with qtbot.waitSignal(dialog.saved) as saved:
        dialog.save_to(tmp_path / "desk.yaml")
    assert saved.args == [str(tmp_path / "desk.yaml")]
    found = CameraCalibration.load(tmp_path / "desk.yaml")
    assert np.abs(found.matrix / np.where(CAMERA.matrix == 0, 1, CAMERA.matrix) - (CAMERA.matrix != 0)).max() < 0.01
    dialog.save_to(tmp_path / "desk.yaml" / "no.yaml")
    assert "cannot be written" in dialog.problem.text()


def test_a_board_that_cannot_be_is_explained_and_another_begins_anew(qtbot, dialog, camera, picture):
    camera.image = picture
    qtbot.waitUntil(lambda: len(dialog.session.views) == 1, timeout=15_000)
    dialog.columns.setValue(30)
    assert "need 90 markers, but DICT_4X4_50 has 50" in dialog.problem.text()
    assert not dialog.print_button.isEnabled()
    dialog.dictionary.setCurrentText("DICT_4X4_100")
    assert dialog.problem.text() == ""
    assert dialog.session.board == CalibrationBoard("charuco", (30, 6), 25, "DICT_4X4_100")
    assert dialog.session.views == ()
    dialog.kind.setCurrentIndex(1)
    assert not dialog.dictionary.isEnabled()
    assert dialog.session.board.kind == "chessboard"


def test_a_camera_that_changes_its_size_is_noticed(qtbot, dialog, camera, picture):
    show(qtbot, dialog, camera, picture)
    camera.image = cv2.resize(picture, (1280, 960))
    qtbot.waitUntil(lambda: "now are 1280x960" in dialog.problem.text(), timeout=15_000)
    dialog.anew_button.click()
    assert dialog.problem.text() == ""
    qtbot.waitUntil(lambda: len(dialog.session.views) == 1, timeout=15_000)


def test_escape_ends_it_while_it_looks(qtbot, dialog, camera, picture):
    camera.image = picture
    qtbot.waitUntil(lambda: dialog._job is not None, timeout=15_000)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert not dialog._timer.isActive()


def test_everything_can_be_reached_and_has_a_name(dialog):
    for part in dialog.findChildren(QWidget):
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.isVisible() and part.parent() is not None:
            named = part.accessibleName() or getattr(part, "text", lambda: "")() or part.parent().accessibleName()
            assert named, type(part).__name__


# On paper -------------------------------------------------------------------------------------------------------------


def found_square_mm(page: np.ndarray, board: CalibrationBoard, mm_per_px: float) -> tuple[float, float]:
    """Side of a square on a page, measured along the rows and columns of corners."""
    view = board.find(page)
    assert len(view) == board.inner_wh[0] * board.inner_wh[1]
    columns, rows = board.inner_wh
    grid = view.points_xy[np.argsort(view.corner_id)].reshape(rows, columns, 2)
    across = np.linalg.norm(grid[:, -1] - grid[:, 0], axis=1).mean() / (columns - 1)
    down = np.linalg.norm(grid[-1] - grid[0], axis=1).mean() / (rows - 1)
    return across * mm_per_px, down * mm_per_px


@pytest.mark.parametrize(
    ("board", "paper_mm"),
    [
        (CalibrationBoard(), (297, 210)),
        pytest.param(CalibrationBoard("chessboard", (7, 9), 22.5), (210, 297), marks=pytest.mark.slow),
        pytest.param(CalibrationBoard("chessboard", (10, 7), 120), (1224, 876), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_pdf_prints_in_true_size(qapp, tmp_path, board, paper_mm):
    pdf = pytest.importorskip("PySide6.QtPdf")
    write_board(board, tmp_path / "board.pdf")
    document = pdf.QPdfDocument()
    document.load(str(tmp_path / "board.pdf"))
    points = document.pagePointSize(0)
    size_mm = np.array([points.width(), points.height()]) * 25.4 / 72
    assert np.abs(size_mm - paper_mm).max() < 0.5
    mm_per_px = paper_mm[0] / 1600
    size = points.toSize() * (1600 / points.width())
    page = QImage(size, QImage.Format.Format_RGB888)
    page.fill(Qt.GlobalColor.white)
    from PySide6.QtGui import QPainter

    painter = QPainter(page)
    painter.drawImage(0, 0, document.render(0, size))
    painter.end()
    document.close()
    pixels = np.frombuffer(page.constBits(), np.uint8).reshape(page.height(), page.bytesPerLine())
    pixels = pixels[:, : 3 * page.width()].reshape(page.height(), page.width(), 3).copy()
    assert found_square_mm(pixels, board, mm_per_px) == pytest.approx((board.square_mm,) * 2, rel=0.003)
    below = pixels[int(pixels.shape[0] * 0.85) :]
    assert (below < 128).sum() > 500, "a ruler, and what the board is"


def test_a_png_knows_its_size(qapp, tmp_path):
    board = CalibrationBoard("charuco", (5, 7), 31.5)
    write_board(board, tmp_path / "board.png")
    dots_per_m = QImage(str(tmp_path / "board.png")).dotsPerMeterX()
    page = cv2.imread(str(tmp_path / "board.png"))
    assert found_square_mm(page, board, 1000 / dots_per_m) == pytest.approx((31.5, 31.5), rel=0.001)


def test_a_board_that_cannot_be_written_is_said(dialog, tmp_path):
    for name in ("board.pdf", "board.png"):
        dialog.print_to(tmp_path / "nowhere" / name)
        assert "cannot be written to" in dialog.problem.text()
    dialog.print_to(tmp_path / "board.pdf")
    assert dialog.problem.text() == ""
    assert (tmp_path / "board.pdf").stat().st_size > 1000
