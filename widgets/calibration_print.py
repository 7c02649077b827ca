"""A calibration board on paper: a PDF or PNG file that prints in true size."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMarginsF, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QFont, QImage, QPageLayout, QPageSize, QPainter, QPdfWriter, QPen

from scenescope.models import SinkError
from scenescope.pipelines.calibration import CalibrationBoard

__all__ = ["write_board"]

_MARGIN_MM = 12.0
_PX_PER_MM = 20.0
_LONGEST_PX = 8000
_DPI = 600


def write_board(board: CalibrationBoard, path: Path) -> None:
    """Write a board for printing: PNG when the name ends so, else PDF, with a ruler to check the print with.

    Raises:
        SinkError: the file cannot be written.
    """
    squares = max(board.squares_wh)
    square_px = max(min(round(_PX_PER_MM * board.square_mm), _LONGEST_PX // squares), 16)
    picture = board.picture(square_px)
    pattern = QImage(
        picture.data, picture.shape[1], picture.shape[0], picture.strides[0], QImage.Format.Format_Grayscale8
    )
    written = (_write_png if path.suffix.lower() == ".png" else _write_pdf)(board, pattern, square_px, path)
    if not written:
        raise SinkError(f"The board cannot be written to {path}.", hint="Choose another folder.")


def _write_png(board: CalibrationBoard, pattern: QImage, square_px: int, path: Path) -> bool:
    margin = square_px // 2
    page = QImage(pattern.width() + 2 * margin, pattern.height() + 2 * margin, QImage.Format.Format_Grayscale8)
    page.fill(Qt.GlobalColor.white)
    painter = QPainter(page)
    painter.drawImage(margin, margin, pattern)
    painter.end()
    dots_per_m = round(square_px / board.square_mm * 1000)
    page.setDotsPerMeterX(dots_per_m)
    page.setDotsPerMeterY(dots_per_m)
    return page.save(str(path))


def _write_pdf(board: CalibrationBoard, pattern: QImage, square_px: int, path: Path) -> bool:
    width_mm, height_mm = board.size_mm
    across, down = width_mm + 2 * _MARGIN_MM, height_mm + 3 * _MARGIN_MM
    lying = across > down
    writer = QPdfWriter(str(path))
    writer.setResolution(_DPI)
    writer.setTitle(f"Calibration board: {board}")
    writer.setPageSize(_page_for(min(across, down), max(across, down)))
    writer.setPageOrientation(QPageLayout.Orientation.Landscape if lying else QPageLayout.Orientation.Portrait)
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    painter = QPainter()
    if not painter.begin(writer):
        return False
    page_mm = writer.pageLayout().fullRect(QPageLayout.Unit.Millimeter)
    painter.scale(_DPI / 25.4, _DPI / 25.4)
    left, top = (page_mm.width() - width_mm) / 2, (page_mm.height() - height_mm - _MARGIN_MM) / 2
    painter.drawImage(QRectF(left, top, width_mm, height_mm), pattern)
    _draw_ruler(painter, board, QPointF(left, top + height_mm + _MARGIN_MM), width_mm)
    return painter.end()


def _draw_ruler(painter: QPainter, board: CalibrationBoard, at: QPointF, width_mm: float) -> None:
    """A line of whole centimetres, and what the board is."""
    long_mm = 10 * max(int(min(width_mm, 100) // 10), 1)
    painter.setPen(QPen(Qt.GlobalColor.black, 0.2))
    painter.drawLine(at, at + QPointF(long_mm, 0))
    for tick in range(0, long_mm + 1, 10):
        painter.drawLine(at + QPointF(tick, -1.5), at + QPointF(tick, 0))
    font = QFont()
    # In millimetres, as the painter is: but fonts have whole pixels, so they are drawn ten times too large.
    font.setPixelSize(30)
    painter.setFont(font)
    painter.save()
    painter.translate(at + QPointF(0, 4.5))
    painter.scale(0.1, 0.1)
    painter.drawText(QPointF(0, 0), f"{board}. Print at 100 %: the line is {long_mm} mm long.")
    painter.restore()


def _page_for(short_mm: float, long_mm: float) -> QPageSize:
    """The smallest usual paper that the board fits on, else paper made for it."""
    for size in (QPageSize.PageSizeId.A4, QPageSize.PageSizeId.A3, QPageSize.PageSizeId.A2, QPageSize.PageSizeId.A1):
        paper = QPageSize(size).size(QPageSize.Unit.Millimeter)
        if short_mm <= paper.width() and long_mm <= paper.height():
            return QPageSize(size)
    return QPageSize(QSizeF(short_mm, long_mm), QPageSize.Unit.Millimeter, "Board")
