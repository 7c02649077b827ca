"""Below the picture: play, step, and where in the film we are; LIVE for what is live."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSlider, QStyle, QStyleOptionSlider, QToolButton, QWidget
from typing_extensions import override

from scenescope.pipelines.events import SourcePhase, SourceState

__all__ = ["PlaybackBar", "clock"]

SEEK_EVERY_MS = 80
FOLLOW_EVERY_S = 0.08
TICKS_PER_S = 100


class _JumpSlider(QSlider):
    """A slider whose handle jumps to where one clicks."""

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        handle = self.style().subControlRect(
            QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self
        )
        if event.button() == Qt.MouseButton.LeftButton and not handle.contains(event.position().toPoint()):
            at = round(event.position().x()) - handle.width() // 2
            room = max(self.width() - handle.width(), 1)
            self.setSliderPosition(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), at, room))
        super().mousePressEvent(event)


class PlaybackBar(QFrame):
    """``seek_requested`` is told while the slider is dragged, at most a dozen times a second."""

    seek_requested = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._duration_s: float | None = None
        self._wanted_s: float | None = None
        self._followed_s = 0.0
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(2)
        self.slider = _JumpSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Position in the film")
        self.slider.setToolTip("Drag, or use the arrow keys, to go elsewhere")
        self.slider.setSingleStep(TICKS_PER_S)
        self.slider.setPageStep(10 * TICKS_PER_S)
        self.slider.valueChanged.connect(self._slid)
        self.live = QLabel("● LIVE")
        self.live.setObjectName("badge")
        self.live.setProperty("level", "live")
        self.state = QLabel()
        self.state.setObjectName("muted")
        self.time = QLabel("0:00.0")
        self.time.setAccessibleName("Time")
        self.time.setMinimumWidth(self.time.fontMetrics().horizontalAdvance("00:00.0 / 00:00.0") + 4)
        self.time.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 12, 4)
        row.setSpacing(10)
        row.addLayout(self._buttons)
        row.addWidget(self.slider, 1)
        row.addWidget(self.live, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.state, 1)
        row.addWidget(self.time)
        self._seek_soon = QTimer(self)
        self._seek_soon.setSingleShot(True)
        self._seek_soon.setInterval(SEEK_EVERY_MS)
        self._seek_soon.timeout.connect(self._seek)
        self.show_state(SourceState(SourcePhase.STOPPED))

    def add_actions(self, actions: Sequence[QAction]) -> None:
        """Buttons at the left end."""
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setIconSize(QSize(20, 20))
            button.setAccessibleName(action.text().replace("&", ""))
            self._buttons.addWidget(button)

    def show_state(self, state: SourceState) -> None:
        """Show what kind of source it is and how it fares."""
        info = state.info
        self._duration_s = info.duration_s if info else None
        over = state.phase in (SourcePhase.STOPPED, SourcePhase.FAILED)
        seekable = bool(info and not info.live and info.duration_s) and not over
        self.slider.setVisible(seekable)
        self.state.setVisible(not seekable)
        self.live.setVisible(bool(info and info.live) and not over)
        paused_live = bool(info and info.live) and state.phase is SourcePhase.PAUSED
        words = {
            SourcePhase.OPENING: "Opening...",
            SourcePhase.RECONNECTING: "Reconnecting...",
            SourcePhase.STOPPED: "Stopped",
            SourcePhase.FAILED: "Failed",
            SourcePhase.ENDED: "Ended",
            SourcePhase.PAUSED: "Picture held" if paused_live else "Paused",
            SourcePhase.PLAYING: "",
        }
        self.state.setText(words[state.phase])
        if seekable and self._duration_s is not None:
            self.slider.blockSignals(True)
            self.slider.setRange(0, round(self._duration_s * TICKS_PER_S))
            self.slider.blockSignals(False)
        if over:
            self.time.setText("")

    def show_position(self, pts_s: float, force: bool = False) -> None:
        """Show where we are; more often than a dozen times a second is not needed."""
        now = time.monotonic()
        if not force and now - self._followed_s < FOLLOW_EVERY_S:
            return
        self._followed_s = now
        whole = f" / {clock(self._duration_s)}" if self._duration_s else ""
        self.time.setText(f"{clock(pts_s)}{whole}")
        if not self.slider.isSliderDown() and not self._seek_soon.isActive():
            self.slider.blockSignals(True)
            self.slider.setValue(round(pts_s * TICKS_PER_S))
            self.slider.blockSignals(False)

    @Slot(int)
    def _slid(self, value: int) -> None:
        self._wanted_s = value / TICKS_PER_S
        if not self._seek_soon.isActive():
            self._seek_soon.start()

    @Slot()
    def _seek(self) -> None:
        if self._wanted_s is not None:
            wanted, self._wanted_s = self._wanted_s, None
            self.seek_requested.emit(wanted)


def clock(seconds: float) -> str:
    """Media time for people: "0:03.2", "1:02:03.4"."""
    tenths = round(max(seconds, 0.0) * 10)
    hours, minutes = tenths // 36_000, tenths // 600 % 60
    rest = f"{tenths // 10 % 60:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"
