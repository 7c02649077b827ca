"""Recording in the window: what is remembered of the wishes, and the strip that shows how a recording fares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, QStandardPaths, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget
from typing_extensions import override

from scenescope.pipelines.look_back import LookBackStatus
from scenescope.pipelines.recording import (
    Container,
    Part,
    Quality,
    RecordingOptions,
    RecordingPhase,
    RecordingStatus,
)
from scenescope.pipelines.sinks._disk import amount
from scenescope.widgets.settings import Settings
from scenescope.widgets.theme import colours_of

__all__ = ["PART_TITLES", "RecordingStrip", "RecordingWishes", "default_folder", "length"]

PART_TITLES = {
    Part.RAW: "Pictures as captured",
    Part.ANNOTATED: "Pictures with overlay",
    Part.RESULTS: "Results (JSON Lines)",
    Part.EVENTS: "Events (JSON Lines)",
}
LOOK_BACK_S = 30.0
DOT_PX = 10


def default_folder() -> Path:
    """``Scenescope`` in the user's folder of films."""
    places = QStandardPaths.standardLocations(QStandardPaths.StandardLocation.MoviesLocation)
    return Path(places[0] if places else Path.home()) / "Scenescope"


def length(seconds: float) -> str:
    """Length for people: "0:03", "1:02:03"."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


@dataclass(frozen=True)
class RecordingWishes:
    """What the user chose: options of a recording, and how many seconds are kept ready to be saved (0: none)."""

    options: RecordingOptions
    look_back_s: float = 0.0

    @classmethod
    def recalled(cls, settings: Settings) -> RecordingWishes:
        """As they were remembered; what makes no sense any more is as it is by default."""
        folder = settings.get("recording.folder", "")
        known = {part.value: part for part in Part}
        names = settings.get("recording.parts", [Part.ANNOTATED.value])
        parts = {known[name] for name in names if name in known} if isinstance(names, list) else set()
        container, quality = settings.get("recording.container", ""), settings.get("recording.quality", "")
        look_back_s = settings.get("recording.look_back_s", 0.0)
        return cls(
            RecordingOptions(
                folder=Path(folder) if isinstance(folder, str) and folder else default_folder(),
                parts=frozenset(parts or {Part.ANNOTATED}),
                container=Container(container) if container in list(Container) else Container.MP4,
                quality=Quality(quality) if quality in list(Quality) else Quality.NORMAL,
                sound=bool(settings.get("recording.sound", True)),
            ),
            float(look_back_s) if isinstance(look_back_s, int | float) and 0 <= look_back_s <= 600 else 0.0,
        )

    def remember(self, settings: Settings) -> None:
        """Keep them for the next time."""
        options = self.options
        settings.set("recording.folder", str(options.folder))
        settings.set("recording.parts", sorted(part.value for part in options.parts))
        settings.set("recording.container", options.container.value)
        settings.set("recording.quality", options.quality.value)
        settings.set("recording.sound", options.sound)
        settings.set("recording.look_back_s", self.look_back_s)

    def words(self) -> str:
        """What will be recorded, as a sentence without its stop."""
        titles = [PART_TITLES[part].lower() for part in Part if part in self.options.parts]
        return f"Record {' and '.join(titles)} to {self.options.folder}"


class _Dot(QWidget):
    """A red dot that is filled while it is recorded; the word beside it says the same."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.setFixedSize(QSize(DOT_PX + 2, DOT_PX + 2))

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(colours_of(self).bad)
        painter.setPen(colour)
        painter.setBrush(colour if self.on else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(QRectF(1, 1, DOT_PX, DOT_PX))


class RecordingStrip(QWidget):
    """A dot, a word, time, size, encoder; or what is kept ready to be saved. Hidden when there is neither."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Recording")
        self._dot = _Dot()
        self.word = QLabel()
        self.word.setObjectName("heading")
        self.numbers = QLabel()
        self.numbers.setMinimumWidth(QFontMetrics(self.numbers.font()).horizontalAdvance("0:00:00  000.0 MB"))
        self.encoder = QLabel()
        self.encoder.setObjectName("muted")
        self.problem = QLabel()
        self.problem.setObjectName("problem")
        self.look_back = QLabel()
        self.look_back.setObjectName("muted")
        self._seconds = 0.0
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 3, 8, 5)
        row.setSpacing(6)
        for part in (self._dot, self.word, self.numbers, self.encoder, self.problem, self.look_back):
            row.addWidget(part, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        self.show_status(None, LookBackStatus(False))

    @property
    def brief(self) -> str:
        """All of it where there is little room: "● REC 0:12" or "○ Finishing 0:12", and what is wrong; else empty."""
        if self.word.isHidden():
            return ""
        problem = "" if self.problem.isHidden() else f" {self.problem.text()}"
        return f"{'●' if self._dot.on else '○'} {self.word.text()} {length(self._seconds)}{problem}"

    def show_status(self, status: RecordingStatus | None, look_back: LookBackStatus) -> None:
        """Show how it fares; None for no recording."""
        at_work = status is not None and status.phase is not RecordingPhase.ENDED
        for part in (self._dot, self.word, self.numbers, self.encoder):
            part.setVisible(at_work)
        self.problem.setVisible(False)
        if at_work and status is not None:
            self._dot.on = status.phase is RecordingPhase.RECORDING
            self._dot.update()
            self._seconds = status.seconds
            self.word.setText("REC" if self._dot.on else "Finishing")
            self.numbers.setText(f"{length(status.seconds)}  {amount(status.bytes)}")
            self.encoder.setText(f"encoder: {status.encoder}" if status.encoder else "encoder: looking for one")
            self.encoder.setToolTip(status.encoder_why)
            missed = f"{status.missed} pictures missed" if status.missed else ""
            self.problem.setText(f"! {status.warning or missed}")
            self.problem.setVisible(bool(status.warning or missed))
            files = "\n".join(str(part.path) for part in status.parts if part.path)
            free = f"{amount(status.free_bytes)} free" if status.free_bytes is not None else ""
            self.setToolTip("\n".join(line for line in (files, free) if line))
        self.look_back.setVisible(look_back.on)
        self.look_back.setText(f"last {look_back.seconds:.0f} s kept, {amount(look_back.bytes)}")
        self.look_back.setToolTip(
            "Pictures as captured, ready to be saved"
            if look_back.raw
            else "Analysed pictures, since a stage hides parts of them, ready to be saved"
        )
        self.setVisible(at_work or look_back.on)
        shown = [label.text() for label in self.findChildren(QLabel) if not label.isHidden()]
        self.setAccessibleDescription(", ".join(shown))
