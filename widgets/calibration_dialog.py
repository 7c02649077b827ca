"""The calibration assistant: hold a printed board before the camera until it knows the lens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from scenescope.models import ScenescopeError
from scenescope.pipelines.calibration import (
    DICTIONARIES,
    FEWEST_VIEWS,
    BoardView,
    CalibrationBoard,
    CalibrationSession,
    CalibrationSolution,
    Look,
    Verdict,
)
from scenescope.widgets.calibration_print import write_board
from scenescope.widgets.theme import colours_of

__all__ = ["CalibrationDialog", "CalibrationView", "PictureGiver"]

PictureGiver = Callable[[], NDArray[np.uint8] | None]
_PICTURE_MS = 50
_NOWHERE: NDArray[np.int64] = np.zeros((1, 1), np.int64)


class CalibrationView(QWidget):
    """The picture, the corners found in it, and which parts of it have been seen enough of."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(480, 360)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Picture of the camera")
        self._image: NDArray[np.uint8] | None = None
        self._found: BoardView | None = None
        self._coverage = _NOWHERE

    def sizeHint(self) -> QSize:
        """Room for a picture of a webcam."""
        return QSize(640, 480)

    def show_picture(self, image: NDArray[np.uint8]) -> None:
        """Show the newest picture, uint8 (H, W, 3) BGR."""
        self._image = np.ascontiguousarray(image)
        self.update()

    def show_found(self, found: BoardView | None, coverage: NDArray[np.int64]) -> None:
        """Show where the board is, and the number of corners seen in each cell, int64 (rows, columns)."""
        self._found, self._coverage = found, coverage
        self.setAccessibleDescription(f"Board seen, {len(found)} corners" if found else "No board seen")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Picture, coverage, corners."""
        painter = QPainter(self)
        colours = colours_of(self)
        painter.fillRect(self.rect(), QColor(colours.stage))
        if self._image is None:
            painter.setPen(QColor(colours.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Waiting for a picture: start a camera.")
            return
        height, width = self._image.shape[:2]
        scale = min(self.width() / width, self.height() / height)
        painter.translate((self.width() - width * scale) / 2, (self.height() - height * scale) / 2)
        # The QImage borrows the array, which lives as long as this call.
        picture = QImage(self._image.data, width, height, self._image.strides[0], QImage.Format.Format_BGR888)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, width * scale, height * scale), picture)
        self._paint_coverage(painter, width * scale, height * scale)
        if self._found is not None and self._found.size_wh == (width, height):
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for ring, thick in ((QColor(20, 20, 20), 4.0), (QColor(colours.accent), 2.0)):
                painter.setPen(QPen(ring, thick))
                for x, y in ((self._found.points_xy + 0.5) * scale).tolist():
                    painter.drawEllipse(QPointF(x, y), 4, 4)

    def _paint_coverage(self, painter: QPainter, width: float, height: float) -> None:
        """Tint the cells that the board has been in; a dot in each, so that it is not told by the tint alone."""
        rows, columns = self._coverage.shape
        tint, dot = QColor(colours_of(self).accent), QColor(255, 255, 255, 170)
        tint.setAlpha(60)
        across, down = width / columns, height / rows
        for row, column in np.argwhere(self._coverage).tolist():
            cell = QRectF(column * across, row * down, across, down)
            painter.fillRect(cell.adjusted(1, 1, -1, -1), tint)
            painter.fillRect(QRectF(cell.center() - QPointF(1.5, 1.5), cell.center() + QPointF(1.5, 1.5)), dot)


class CalibrationDialog(QDialog):
    """Takes views of a board, solves for the camera and saves the calibration.

    The board is looked for in a thread of its own; pictures are only shown in this one. Closing ends everything.

    Args:
        picture: gives the newest picture of the camera as it came, uint8 (H, W, 3) BGR; None when there is none.
        folder: where calibrations are saved unless the user goes elsewhere.

    ``saved(path)`` tells where a calibration was written.
    """

    saved = Signal(str)

    def __init__(self, picture: PictureGiver, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Calibrate camera")
        self._picture = picture
        self._folder = folder
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="calibration")
        self._job: Future[Any] | None = None
        self._looked_at: NDArray[np.uint8] | None = None
        self._wanted = False
        self._looking = self._taking = self._halted = False
        self.session = CalibrationSession(CalibrationBoard())
        self.solution: CalibrationSolution | None = None
        self._build()
        self._timer = QTimer(self)
        self._timer.setInterval(_PICTURE_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        self.finished.connect(self._end)
        self.begin_anew()
        self.take_button.setFocus()

    def _build(self) -> None:
        self.view = CalibrationView()
        self.advice = _label("heading")
        self.advice.setAccessibleName("What to do next")
        self.problem = _label("problem")
        self.outcome = _label("")
        self.outcome.setAccessibleName("Result")
        self.take_button = _button("&Take view", "Keep the board as it is seen now", self._take)
        self.auto = QCheckBox("Take views by &itself")
        self.auto.setToolTip("Keep every new view while the board is held still")
        self.auto.setChecked(True)
        self.straight = QCheckBox("Show &without distortion")
        self.straight.setEnabled(False)
        self.views = _bar("Views")
        self.wanted = _bar("Places, tilts and distances")
        self.anew_button = _button("Begin a&new", "Forget all views", self.begin_anew)
        self.solve_button = _button("&Solve", f"Find the camera from the views; {FEWEST_VIEWS} or more", self.solve)
        self.save_button = _button("Sa&ve…", "Save the calibration for the Undistort stage and markers", self._save)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for button in (self.solve_button, self.save_button):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)

        taking = QHBoxLayout()
        taking.addWidget(self.take_button)
        taking.addWidget(self.anew_button)
        side = QVBoxLayout()
        side.addWidget(self._board_form())
        side.addSpacing(12)
        for part in (self.views, self.wanted, self.auto):
            side.addWidget(part)
        side.addLayout(taking)
        side.addSpacing(12)
        side.addWidget(self.outcome)
        side.addWidget(self.straight)
        side.addStretch(1)
        left = QVBoxLayout()
        left.addWidget(self.view, 1)
        left.addWidget(self.advice)
        left.addWidget(self.problem)
        row = QHBoxLayout()
        row.addLayout(left, 1)
        row.addSpacing(8)
        row.addLayout(side)
        column = QVBoxLayout(self)
        column.addLayout(row, 1)
        column.addWidget(buttons)

    def _board_form(self) -> QWidget:
        self.kind = QComboBox()
        self.kind.addItem("ChArUco (may be partly seen)", "charuco")
        self.kind.addItem("Chessboard", "chessboard")
        self.columns, self.rows = QSpinBox(), QSpinBox()
        for spin, default in ((self.columns, 9), (self.rows, 6)):
            spin.setRange(4, 40)
            spin.setValue(default)
        self.square_mm = QDoubleSpinBox()
        self.square_mm.setRange(1, 1000)
        self.square_mm.setDecimals(1)
        self.square_mm.setSuffix(" mm")
        self.square_mm.setValue(25)
        self.square_mm.setToolTip("Measure it on the print: it sets the scale of distances")
        self.dictionary = QComboBox()
        self.dictionary.addItems(DICTIONARIES)
        self.print_button = _button("&Print board…", "Save the board as a PDF or PNG in true size", self._print)
        box = QWidget()
        form = QFormLayout(box)
        form.setContentsMargins(0, 0, 0, 0)
        for title, editor in (
            ("&Board", self.kind),
            ("&Columns of squares", self.columns),
            ("&Rows of squares", self.rows),
            ("Side of a s&quare", self.square_mm),
            ("&Markers", self.dictionary),
        ):
            form.addRow(title, editor)
            editor.setAccessibleName(title.replace("&", ""))
        form.addRow(self.print_button)
        for combo in (self.kind, self.dictionary):
            combo.currentIndexChanged.connect(self.begin_anew)
        for number in (self.columns, self.rows, self.square_mm):
            number.setKeyboardTracking(False)
            number.valueChanged.connect(self.begin_anew)
        return box

    def board(self) -> CalibrationBoard:
        """The board as the form describes it.

        Raises:
            SpecError: there can be no such board.
        """
        squares = (self.columns.value(), self.rows.value())
        return CalibrationBoard(self.kind.currentData(), squares, self.square_mm.value(), self.dictionary.currentText())

    @Slot()
    def begin_anew(self) -> None:
        """Forget all views, and look for the board that the form describes."""
        self.dictionary.setEnabled(self.kind.currentData() == "charuco")
        self.solution = None
        self._wanted = False
        try:
            self.session = CalibrationSession(self.board())
        except ScenescopeError as error:
            self._tell(error)
        else:
            self._tell(None)
        self._halted = bool(self.problem.text())
        self.print_button.setDisabled(self._halted)
        self.advice.setText("Print the board, glue it to something flat, and show it to the camera.")
        self.outcome.clear()
        self.view.show_found(None, self.session.coverage())
        self._refresh()

    @Slot()
    def solve(self) -> None:
        """Find the camera from the views taken so far; the answer comes a moment later."""
        if self._job is not None:
            self._job.cancel()
        self.outcome.setText("Solving…")
        self.solve_button.setEnabled(False)
        self._looking = False
        self._job = self._worker.submit(self.session.solve)

    def save_to(self, path: Path) -> None:
        """Write the calibration, or say why not."""
        if self.solution is None:
            return
        try:
            self.solution.calibration.save(path)
        except ScenescopeError as error:
            self._tell(error)
            return
        self._tell(None)
        self.advice.setText(f"Saved as {path.name}. Choose it in the Undistort stage.")
        self.saved.emit(str(path))

    def print_to(self, path: Path) -> None:
        """Write the board for printing, or say why not."""
        try:
            write_board(self.board(), path)
        except ScenescopeError as error:
            self._tell(error)
            return
        self._tell(None)
        self.advice.setText(f"Board saved as {path.name}. Print it at 100 %, and glue it to something flat.")

    @Slot()
    def _take(self) -> None:
        self._wanted = True

    @Slot()
    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save calibration", str(self._folder / "camera.yaml"), "Calibrations (*.yaml *.json)"
        )
        if name:
            self.save_to(Path(name))

    @Slot()
    def _print(self) -> None:
        columns, rows = self.session.board.squares_wh
        start = str(Path.home() / f"{self.session.board.kind}-{columns}x{rows}.pdf")
        name, _ = QFileDialog.getSaveFileName(self, "Save board for printing", start, "PDF (*.pdf);;PNG (*.png)")
        if name:
            self.print_to(Path(name))

    @Slot()
    def _tick(self) -> None:
        """Show the newest picture; take what the thread has found, and give it the next one."""
        image = self._picture()
        if image is not None:
            self._show(image)
        if self._job is not None and self._job.done():
            self._finish(self._job)
        if self._job is None and image is not None and image is not self._looked_at and not self._halted:
            self._looked_at = image
            self._taking = self.auto.isChecked() or self._wanted
            session, take, self._looking = self.session, self._taking, True
            self._job = self._worker.submit(lambda: (session, session.look(image, take)))

    def _show(self, image: NDArray[np.uint8]) -> None:
        if self.straight.isChecked() and self.solution is not None:
            try:
                image = self.solution.calibration.straightened(image)
            except ScenescopeError as error:
                self._tell(error)
        self.view.show_picture(image)

    def _finish(self, job: Future[Any]) -> None:
        """Take the answer of the thread: a look at a picture, or a solution."""
        self._job = None
        if job.cancelled():
            return
        try:
            answer = job.result()
        except ScenescopeError as error:
            self.outcome.clear()
            self._tell(error)
            # A view that cannot be judged means another camera: the user has to begin anew.
            self._halted = self._looking
            self._refresh()
            return
        if isinstance(answer, CalibrationSolution):
            self._solved(answer)
        elif answer[0] is self.session:
            self._looked(answer[1])
        self._refresh()

    def _looked(self, look: Look) -> None:
        straight = self.straight.isChecked()
        # Corners and cells are places in the picture as the lens bends it.
        self.view.show_found(*((None, _NOWHERE) if straight else (look.view, self.session.coverage())))
        if look.verdict is Verdict.NEW and self._taking:
            self.solution = None
            self.outcome.clear()
            self.advice.setText(f"View {len(self.session.views)} taken. {look.advice}")
        elif self._wanted and self._taking and look.verdict is Verdict.KNOWN:
            self.advice.setText(f"Such a view is there already. {look.advice}")
        elif self.solution is None:
            self.advice.setText(look.advice)
        if self._taking and look.verdict not in (Verdict.NOTHING, Verdict.MOVING):
            self._wanted = False

    def _solved(self, solution: CalibrationSolution) -> None:
        self.solution = solution
        camera = solution.calibration
        across, down = camera.view_deg
        self.outcome.setText(
            f"{solution.verdict}\n"
            f"Focal length {camera.matrix[0, 0]:.0f} px, give or take {solution.focal_std_px[0]:.1f}; "
            f"angle of view {across:.0f}° by {down:.0f}°."
        )
        # More views would only replace it: what is good is kept until the user takes another.
        self.auto.setChecked(False)
        self.advice.setText("Look at straight edges without distortion, and save.")

    def _tell(self, error: ScenescopeError | None) -> None:
        self.problem.setText(str(error) if error else "")
        self.problem.setVisible(error is not None)

    def _refresh(self) -> None:
        """Buttons and bars as the session is."""
        needs = self.session.needs
        taken = len(self.session.views)
        self.views.setMaximum(self.session.needed)
        self.views.setFormat(f"Views: {taken} of {self.session.needed}")
        self.views.setValue(min(taken, self.session.needed))
        self.wanted.setMaximum(len(needs))
        self.wanted.setValue(sum(need.done for need in needs))
        self.solve_button.setEnabled(taken >= FEWEST_VIEWS)
        self.solve_button.setDefault(self.session.ready and self.solution is None)
        self.save_button.setEnabled(self.solution is not None)
        self.save_button.setDefault(self.solution is not None)
        self.straight.setEnabled(self.solution is not None)
        if self.solution is None:
            self.straight.setChecked(False)

    @Slot()
    def _end(self) -> None:
        self._timer.stop()
        # A look that has begun ends by itself; nobody waits for it.
        self._worker.shutdown(wait=False, cancel_futures=True)


def _label(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    return label


def _button(title: str, tip: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(title)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(pressed)
    return button


def _bar(name: str) -> QProgressBar:
    bar = QProgressBar()
    bar.setAccessibleName(name)
    bar.setFormat(f"{name}: %v of %m")
    return bar
