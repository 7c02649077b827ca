"""Mute and volume, beside the time of a film."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSlider, QToolButton
from typing_extensions import override

from scenescope.widgets.film_sound import FilmSound
from scenescope.widgets.icons import icon
from scenescope.widgets.theme import colours_of

__all__ = ["SoundControl"]

SLIDER_WIDTH = 74
STEP, PAGE = 5, 20


class SoundControl(QObject):
    """Shows how loud a film is, in two parts; grey where there is nothing to hear, and why is in their tooltips."""

    mute_wished = Signal()

    def __init__(self, sound: FilmSound, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sound = sound
        self.mute = QToolButton()
        self.mute.setIconSize(QSize(20, 20))
        self.mute.setAccessibleName("Mute")
        self.mute.clicked.connect(self.mute_wished)
        self.mute.installEventFilter(self)
        self.volume = QSlider(Qt.Orientation.Horizontal)
        self.volume.setRange(0, 100)
        self.volume.setSingleStep(STEP)
        self.volume.setPageStep(PAGE)
        self.volume.setFixedWidth(SLIDER_WIDTH)
        self.volume.setAccessibleName("Volume")
        self.volume.valueChanged.connect(sound.set_volume)
        sound.changed.connect(self.refresh)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show what is true now."""
        sound = self._sound
        for part in (self.mute, self.volume):
            part.setEnabled(sound.available)
            part.setToolTip(sound.words)
            part.setAccessibleDescription(sound.words)
        self.volume.blockSignals(True)
        self.volume.setValue(sound.volume)
        self.volume.blockSignals(False)
        self._draw()

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._draw()
        return super().eventFilter(watched, event)

    def _draw(self) -> None:
        colours = colours_of(self.mute)
        silent = self._sound.muted or not self._sound.available
        self.mute.setIcon(icon("muted" if silent else "sound", QColor(colours.text), QColor(colours.faint)))
