"""How fast a film plays, as a list of the usual speeds."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from scenescope.widgets.playback import SPEEDS

__all__ = ["SpeedBox", "speed_words"]


def speed_words(rate: float) -> str:
    """A rate for people: "0.5x"; one that plays backwards "◀ 2x"."""
    return f"{'◀ ' if rate < 0 else ''}{abs(rate):.4g}x"


class SpeedBox(QComboBox):
    """The usual speeds. One that is not among them is shown as it is."""

    speed_requested = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Speed")
        self.setToolTip("How fast the film plays, forward or backwards")
        # After a click the keys are the film's again.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for speed in SPEEDS:
            self.addItem(speed_words(-speed), speed)
        self.setMinimumWidth(self.sizeHint().width())
        self._rate = 0.0
        self.show_rate(1.0)
        self.activated.connect(self._activated)

    def show_rate(self, rate: float) -> None:
        """Show how fast it plays; below 0, backwards."""
        if rate == self._rate:
            return
        self._rate = rate
        for row, speed in enumerate(SPEEDS):
            self.setItemText(row, speed_words(speed if rate > 0 else -speed))
        self.setCurrentIndex(next((row for row, one in enumerate(SPEEDS) if abs(one - abs(rate)) < 1e-6), -1))
        self.setPlaceholderText(speed_words(rate))

    @Slot(int)
    def _activated(self, row: int) -> None:
        self.speed_requested.emit(SPEEDS[row])
