"""A row that shows how work in the background fares: words, bar, Cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from scenescope.models.catalogue.offers import Cancel, Told
from scenescope.widgets.background import Background

__all__ = ["BackgroundRow", "Work"]

LOOK_EVERY_MS = 80
PER_MILLE = 1000

Work = Callable[[Told, Cancel], Any]


class BackgroundRow(QWidget):
    """One piece of work at a time; hidden while there is none. The outcome is fetched by a timer."""

    changed = Signal()
    """Work has begun or ended."""
    progressed = Signal()
    """It has come farther."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.job: Background | None = None
        self._title = ""
        self._then: Callable[[Any], None] = lambda _: None
        self._failed: Callable[[Exception], None] = lambda _: None
        self.words = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        self.cancel = QPushButton("Cancel")
        self.cancel.setAutoDefault(False)
        self.cancel.clicked.connect(self._cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.words, 2)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        self.hide()

    @property
    def busy(self) -> bool:
        """True while something runs."""
        return self.job is not None

    def begin(self, title: str, work: Work, then: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """Do ``work`` in the background, then call ``then`` with its result, or ``failed``; nothing when busy."""
        if self.job is not None:
            return
        self._title, self._then, self._failed = title, then, failed
        self._say(title)
        self.bar.setRange(0, 0)
        self.cancel.setEnabled(True)
        self.job = Background(work, "models")
        self._timer.start()
        self.show()
        self.changed.emit()

    def close_job(self) -> None:
        """End what runs, without telling anybody."""
        if self.job is not None:
            self.job.close()
            self._end()

    @Slot()
    def look(self) -> None:
        """See how it fares."""
        job = self.job
        if job is None:
            return
        done = job.done
        if (progress := job.progress) is not None and self.cancel.isEnabled():
            self._say(f"{self._title}: {progress.text()}")
            if progress.size_bytes:
                self.bar.setRange(0, PER_MILLE)
                self.bar.setValue(progress.done_bytes * PER_MILLE // progress.size_bytes)
            self.progressed.emit()
        if not done:
            return
        self._end()
        if job.error is None:
            self._then(job.result)
        else:
            self._failed(job.error)
        self.changed.emit()

    @Slot()
    def _cancel(self) -> None:
        if self.job is not None:
            self.cancel.setEnabled(False)
            self._say("Stopping...")
            self.job.cancel()

    def _end(self) -> None:
        self.job = None
        self._timer.stop()
        self.hide()

    def _say(self, words: str) -> None:
        self.words.setText(words)
        self.words.setAccessibleName(words)
