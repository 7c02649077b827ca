"""Icons: the line drawings of ``resources/icons``, in any colour."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

__all__ = ["icon", "names", "pixmap"]

_SIZES_PX = (16, 20, 24, 32, 48, 64)


def names() -> list[str]:
    """All icons, sorted."""
    folder = files("scenescope.resources").joinpath("icons")
    return sorted(entry.name.removesuffix(".svg") for entry in folder.iterdir() if entry.name.endswith(".svg"))


@lru_cache(maxsize=128)
def _drawing(name: str) -> str:
    return files("scenescope.resources").joinpath("icons", f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, colour: QColor, size_px: int) -> QPixmap:
    """An icon as a square of ``size_px`` device pixels on nothing.

    Raises:
        FileNotFoundError: there is no icon of that name.
    """
    svg = _drawing(name).replace("currentColor", colour.name())
    picture = QPixmap(size_px, size_px)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, size_px, size_px))
    painter.end()
    return picture


def icon(name: str, colour: QColor, disabled: QColor | None = None) -> QIcon:
    """An icon in ``colour``; ``disabled`` is the colour of the greyed one, by default the style's choice."""
    return _icon(name, colour.name(), disabled.name() if disabled is not None else "")


@lru_cache(maxsize=512)
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    """Drawn once in each colour: a window asks for the same few hundreds of times, and a change of theme again."""
    made = QIcon()
    for size in _SIZES_PX:
        made.addPixmap(pixmap(name, QColor(colour), size))
        if disabled:
            made.addPixmap(pixmap(name, QColor(disabled), size), QIcon.Mode.Disabled)
    return made
