"""Adding a model of the user's: what it is believed to be, to correct with one click, and what it finds now."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QCloseEvent, QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models import DenseMap, Detections, Keypoints, Labels, Masks, ResultBatch, ScenescopeError
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import current
from scenescope.models.catalogue.guess import Guess, Guesser
from scenescope.models.catalogue.guess_score import photos
from scenescope.models.catalogue.offers import Cancel
from scenescope.models.catalogue.trust import trust
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.widgets.background import Background
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.findings_form import FROM_FILE, FindingsForm
from scenescope.widgets.theme import colours_of

__all__ = ["STAGE_OF_TASK", "AddModelDialog", "PictureView", "found_words"]

Image = NDArray[np.uint8]

STAGE_OF_TASK = {
    "detection": "detect",
    "oriented-detection": "detect",
    "zero-shot-detection": "find",
    "pose": "pose",
    "classification": "classify",
    "zero-shot-classification": "classify",
    "instance-segmentation": "segment",
    "semantic-segmentation": "segment",
    "depth": "depth",
    "matte": "matte",
}
"""The kind of stage that uses a model of a task."""
LICENCES = ("", "Apache-2.0", "MIT", "BSD-3-Clause", "AGPL-3.0", "GPL-3.0", "CC-BY-4.0", "CC-BY-NC-4.0")
UNKNOWN_LICENCE = "not known"
TRUST = "I trust this file"
LOOK_EVERY_MS = 40


@dataclass(frozen=True)
class _Shown:
    """A guess, and what it makes of the picture: the picture with the result drawn, and words."""

    guess: Guess
    image: Image
    words: str


class PictureView(QWidget):
    """A picture, as large as there is room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(320, 240)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("What the model finds in the picture")
        self._image: Image | None = None

    @override
    def sizeHint(self) -> QSize:
        return QSize(480, 360)

    def show_picture(self, image: Image | None, words: str) -> None:
        """Show uint8 (H, W, 3) BGR, or nothing; the words are for those who cannot see it."""
        self._image = None if image is None else np.ascontiguousarray(image)
        self.setAccessibleDescription(words)
        self.update()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(colours_of(self).stage))
        if self._image is None:
            return
        height, width = self._image.shape[:2]
        scale = min(self.width() / width, self.height() / height)
        painter.translate((self.width() - width * scale) / 2, (self.height() - height * scale) / 2)
        painter.scale(scale, scale)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        # The QImage borrows the array, which lives as long as this call.
        painter.drawImage(0, 0, QImage(self._image.data, width, height, 3 * width, QImage.Format.Format_BGR888))


class AddModelDialog(QDialog):
    """Shown beside the window, which goes on. Guesses run in a thread, and files in a process of their own.

    Args:
        path: of the file or folder.
        picture: gives the picture to try it on, uint8 (H, W, 3) BGR; None when there is none, then a sample photo is.
    """

    added = Signal(object)
    """It was saved: its card."""
    use_wished = Signal(str, str)
    """Put a stage of this kind with the model of this name into the pipeline."""

    def __init__(self, path: Path, picture: Callable[[], Image | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path = path
        self.guess: Guess | None = None
        self._picture = picture
        self._guesser = Guesser()
        self._job: Background | None = None
        self._then: Callable[[Any], None] = lambda _: None
        self._next: Mapping[str, Any] | None = None
        self._use = False
        self.setWindowTitle(f"Add model: {path.name}")
        self.setSizeGripEnabled(True)
        self.resize(1080, 720)
        self._build()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._guess({})

    # Putting together --------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.notice = Banner()
        self.notice.pressed.connect(self._trust)
        self.form = FindingsForm()
        self.form.corrected.connect(self._correct)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self.form)
        area.setAccessibleName("What was guessed")
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view = PictureView()
        self.found = QLabel()
        self.found.setWordWrap(True)
        self.found.setTextFormat(Qt.TextFormat.PlainText)
        self.name = QLineEdit(self.path.stem)
        self.name.setAccessibleName("Name")
        self.name.textChanged.connect(self._update)
        self.licence = QComboBox()
        self.licence.setEditable(True)
        self.licence.setAccessibleName("Licence")
        self.licence.addItems([UNKNOWN_LICENCE, *LICENCES[1:]])
        self.licence.setToolTip("What the publisher allows; it may stay unknown")
        card = QFormLayout()
        card.addRow("&Name", self.name)
        card.addRow("&Licence", self.licence)
        right = QVBoxLayout()
        right.addWidget(self.view, 1)
        right.addWidget(self.found)
        right.addLayout(card)
        middle = QHBoxLayout()
        middle.setSpacing(16)
        middle.addWidget(area, 5)
        middle.addLayout(right, 4)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setAccessibleName("Working")
        self.doing = QLabel()
        self.doing.setObjectName("muted")
        self.use = self._button("Add and &use", lambda: self._save(True), "Save it, and add a stage that runs it")
        self.save = self._button("&Save", lambda: self._save(False), "Save it, so that stages can choose it")
        self.cancel = self._button("Cancel", self.reject, "Close without adding it")
        bottom = QHBoxLayout()
        bottom.addWidget(self.doing, 1)
        bottom.addWidget(self.busy)
        for button in (self.use, self.save, self.cancel):
            bottom.addWidget(button)
        column = QVBoxLayout(self)
        column.addWidget(self.notice)
        column.addLayout(middle, 1)
        column.addLayout(bottom)

    def _button(self, text: str, act: Callable[[], object], tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAccessibleDescription(tip)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: act())
        return button

    # Guessing ----------------------------------------------------------------------------------------------------

    @Slot(str, object)
    def _correct(self, name: str, value: Any) -> None:
        if value == FROM_FILE:
            value = self._names_of_file()
            if value is None:
                assert self.guess is not None
                self.form.show_findings(self.guess.findings)
                return
        if self.guess is not None:
            self._guess(self._guesser.corrected(self.guess, name, value))

    def _names_of_file(self) -> tuple[str, ...] | None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Class names, one a line", str(self.path.parent), "Text (*.txt *.names)"
        )
        if not chosen:
            return None
        try:
            text = Path(chosen).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.notice.say(Level.WARNING, f"{Path(chosen).name} cannot be read: {error}.")
            return None
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def _guess(self, choices: Mapping[str, Any]) -> None:
        """Guess with these choices; what runs is ended first."""
        if self._job is not None:
            self._next = choices
            self._job.cancel()
            return
        self._next = None
        given = self._picture()
        image = (photos()[0] if given is None else given).copy()
        guesser, path = self._guesser, self.path

        def work(told: Any, cancel: Cancel) -> _Shown:
            guesser.trials.cancelled = stopped = threading.Event()
            with cancel.calling(stopped.set):
                return _shown(guesser, guesser.guess(path, choices), image)

        self._begin("Trying it..." if choices else "Looking into the file...", work, self._show)

    def _show(self, shown: _Shown) -> None:
        guess = self.guess = shown.guess
        if guess.findings:
            self.form.show_findings(guess.findings)
        self.form.setEnabled(bool(guess.findings) or bool(guess.choices))
        self.view.show_picture(shown.image, shown.words)
        self.found.setText(shown.words)
        if guess.card.licence and self.licence.currentText() == UNKNOWN_LICENCE:
            self.licence.setCurrentText(guess.card.licence)
        if guess.refused:
            hint = "If you know where it comes from, trust it: it is opened then, and so is every copy of it."
            self.notice.say(Level.WARNING, guess.problem, hint, button=TRUST, word="trust")
            # Wide enough for its letters, which the style makes bold.
            self.notice.button.setMinimumWidth(round(1.4 * self.fontMetrics().horizontalAdvance(TRUST)) + 24)
        elif guess.problem:
            tried = f" Tried: {'; '.join(guess.tried)}." if guess.tried else ""
            self.notice.say(Level.ERROR, guess.problem, f"{guess.hint}{tried}".strip())
        else:
            self.notice.hide()
        self._update()

    @Slot(str)
    def _trust(self, word: str) -> None:
        if word == "trust":
            try:
                trust(self.path)
            except ScenescopeError as error:
                self.notice.say(Level.ERROR, error.user_message, error.hint)
                return
            self.notice.hide()
            self._guess({})

    # Keeping -----------------------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """Of the stage that would use it; empty when there is none."""
        return STAGE_OF_TASK.get(self.guess.card.task, "") if self.guess is not None else ""

    def card(self) -> ModelCard:
        """As it would be saved."""
        assert self.guess is not None
        licence = self.licence.currentText().strip()
        licence = "" if licence == UNKNOWN_LICENCE else licence
        name = self.name.text().strip()
        return replace(self.guess.card, name=name, title=name, licence=licence)

    def _save(self, use: bool) -> None:
        if self._job is not None or self.guess is None or self.guess.problem:
            return
        self._use, card, path = use, self.card(), self.path
        catalogue = current()
        self._begin("Saving...", lambda told, cancel: catalogue.add(path, card, told=told, cancel=cancel), self._saved)

    def _saved(self, card: ModelCard) -> None:
        self.added.emit(card)
        if self._use and self.kind:
            self.use_wished.emit(self.kind, card.name)
        self.accept()

    # Work --------------------------------------------------------------------------------------------------------

    def _begin(self, title: str, work: Callable[[Any, Cancel], Any], then: Callable[[Any], None]) -> None:
        self._then = then
        self._job = Background(work, "add-model")
        self._timer.start()
        self.doing.setText(title)
        self.doing.setAccessibleName(title)
        self._update()

    @Slot()
    def _look(self) -> None:
        job = self._job
        if job is None or not job.done:
            return
        self._job = None
        self._timer.stop()
        if self._next is not None:
            # What has just ended was ended for this.
            self._guess(self._next)
            return
        if isinstance(job.error, ScenescopeError):
            self.notice.say(Level.ERROR, job.error.user_message, job.error.hint)
        elif job.error is None:
            self._then(job.result)
        self._update()
        if job.error is not None and not isinstance(job.error, ScenescopeError):
            raise job.error

    @Slot()
    def _update(self) -> None:
        busy = self._job is not None
        self.busy.setVisible(busy)
        if not busy:
            self.doing.setText("")
        good = not busy and self.guess is not None and not self.guess.problem
        keep = current().folder is not None
        reason = "" if keep else "There is no folder to keep models in."
        self.save.setEnabled(good and keep and bool(self.name.text().strip()))
        self.use.setEnabled(self.save.isEnabled() and bool(self.kind))
        if reason:
            self.save.setToolTip(reason)

    @override
    def done(self, result: int) -> None:
        self._timer.stop()
        # First what is being tried, so that the thread that waits for it ends at once.
        self._guesser.trials.cancelled.set()
        if self._job is not None:
            self._job.close()
            self._job = None
        self._guesser.close()
        super().done(result)

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        self.done(QDialog.DialogCode.Rejected)
        super().closeEvent(event)


# In the thread --------------------------------------------------------------------------------------------------------


def _shown(guesser: Guesser, guess: Guess, image: Image) -> _Shown:
    """What a guess makes of a picture."""
    if guess.problem:
        return _Shown(guess, image, "")
    try:
        guesser.infer(guess, image)
        begun = time.perf_counter()
        found = guesser.infer(guess, image)
        took_ms = (time.perf_counter() - begun) * 1000
    except ScenescopeError as error:
        return _Shown(replace(guess, problem=error.user_message, hint=error.hint), image, "")
    style = OverlayStyle(scale=max(image.shape[0] / 720, 0.6))
    OverlayPainter(style).paint(image, [("model", found)])
    return _Shown(guess, image, f"{found_words(found)} In about {took_ms:.0f} ms on the CPU.")


def found_words(found: ResultBatch) -> str:
    """What was found, as a sentence."""
    if isinstance(found, Labels):
        best = [f"{label} {sure:.0%}" for label, sure in zip(found.labels[:3], found.confidence[:3], strict=True)]
        return f"Most likely: {', '.join(best)}." if best else "Nothing was recognised."
    if isinstance(found, Detections | Masks):
        counts = Counter(found.labels).most_common(4)
        what = "Areas" if isinstance(found, Masks) else "Found"
        return (
            f"{what}: {', '.join(f'{n} x {label}' for label, n in counts)}." if counts else "Nothing was found in it."
        )
    if isinstance(found, Keypoints):
        return f"{len(found)} with {found.xy.shape[1]} points." if len(found) else "No points were found in it."
    if isinstance(found, DenseMap):
        return f"A map of {found.values[0].shape[1]} x {found.values[0].shape[0]} values."
    return "It ran."
