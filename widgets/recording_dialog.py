"""What is recorded, where to and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from scenescope.models import ScenescopeError
from scenescope.pipelines.look_back import LookBackStatus
from scenescope.pipelines.recording import Container, Part, Quality, RecordingOptions, encoder_choice
from scenescope.pipelines.sinks._disk import amount, free_bytes
from scenescope.pipelines.sinks.rolling import MOST_BYTES
from scenescope.widgets.background import Background
from scenescope.widgets.recording import LOOK_BACK_S, RecordingWishes

__all__ = ["RecordingDialog"]

POLL_MS = 250
LEAST_LOOK_BACK_S, MOST_LOOK_BACK_S = 5, 600

PARTS = {
    Part.RAW: ("&Pictures as captured", "Every picture of the source, before any stage"),
    Part.ANNOTATED: ("Pictures with &overlay", "The pictures after all stages, with boxes, labels and trails"),
    Part.RESULTS: ("&Results (JSON Lines)", "One line for each picture, with what was found in it"),
    Part.EVENTS: ("&Events (JSON Lines)", "One line for each event: who entered, left or crossed what, and when"),
}
CONTAINER_TITLES = {
    Container.MP4: "MP4, keeps times exactly",
    Container.MKV: "MKV, rounds times to milliseconds",
}
QUALITY_TITLES = {Quality.SMALL: "Small files", Quality.NORMAL: "Normal", Quality.HIGH: "High"}


class RecordingDialog(QDialog):
    """Edits :class:`RecordingWishes`; looks for the encoder and the free room in a thread of its own.

    Args:
        wishes: to begin with.
        look_back: what is kept ready now.
        hiding: words about stages that hide something; empty when there are none.
    """

    def __init__(
        self,
        wishes: RecordingWishes,
        look_back: Callable[[], LookBackStatus] = lambda: LookBackStatus(False),
        hiding: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Recording")
        self._look_back = look_back
        self._looked_in: Path | None = None
        self._look: Background | None = None
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        column = QVBoxLayout(self)
        column.addWidget(self._parts_box(wishes.options, hiding))
        column.addWidget(self._file_box(wishes.options))
        column.addWidget(self._look_back_box(wishes.look_back_s))
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column.addWidget(self.buttons)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._timer.start()
        self.finished.connect(self._end)
        self._check()
        self._poll()
        self.setMinimumWidth(560)

    def _parts_box(self, options: RecordingOptions, hiding: str) -> QWidget:
        box = QGroupBox("What is recorded")
        column = QVBoxLayout(box)
        self.parts: dict[Part, QCheckBox] = {}
        for part, (text, tip) in PARTS.items():
            check = QCheckBox(text)
            check.setToolTip(tip)
            check.setChecked(part in options.parts)
            check.toggled.connect(self._check)
            self.parts[part] = check
            column.addWidget(check)
        self.warning = QLabel(hiding)
        self.warning.setObjectName("problem")
        self.warning.setWordWrap(True)
        self.warning.setVisible(bool(hiding))
        column.addWidget(self.warning)
        return box

    def _file_box(self, options: RecordingOptions) -> QWidget:
        box = QGroupBox("Files")
        form = QFormLayout(box)
        self.folder = QLineEdit(str(options.folder))
        self.folder.textChanged.connect(self._check)
        browse = QPushButton("&Browse...")
        browse.setToolTip("Choose the folder that recordings go to")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(browse)
        self.container = _combo(CONTAINER_TITLES, options.container, "How films are packed; both play after a crash")
        self.quality = _combo(QUALITY_TITLES, options.quality, "The better, the larger the files")
        self.sound = QCheckBox("Keep the &sound of films")
        self.sound.setToolTip("Cameras are recorded without sound")
        self.sound.setChecked(options.sound)
        self.encoder = QLabel()
        self.encoder.setWordWrap(True)
        self.free = QLabel()
        for label, name in ((self.encoder, "Encoder"), (self.free, "Free room")):
            label.setObjectName("muted")
            label.setAccessibleName(name)
        form.addRow("&Folder", row)
        form.labelForField(row).setBuddy(self.folder)  # type: ignore[attr-defined]
        form.addRow("Room", self.free)
        form.addRow("&Container", self.container)
        form.addRow("&Quality", self.quality)
        form.addRow("Encoder", self.encoder)
        form.addRow("", self.sound)
        return box

    def _look_back_box(self, seconds: float) -> QWidget:
        self.keep = QGroupBox("&Keep the last seconds ready to be saved")
        self.keep.setCheckable(True)
        self.keep.setChecked(seconds > 0)
        self.keep.setToolTip("Held in memory and written only when you ask for it")
        self.seconds = QSpinBox()
        self.seconds.setRange(LEAST_LOOK_BACK_S, MOST_LOOK_BACK_S)
        self.seconds.setSuffix(" s")
        self.seconds.setValue(round(seconds or LOOK_BACK_S))
        self.memory = QLabel()
        self.memory.setObjectName("muted")
        self.memory.setAccessibleName("Memory")
        form = QFormLayout(self.keep)
        form.addRow("&Length", self.seconds)
        form.addRow("Memory", self.memory)
        return self.keep

    @property
    def wishes(self) -> RecordingWishes:
        """As they are in the dialog."""
        return RecordingWishes(
            RecordingOptions(
                folder=Path(self.folder.text().strip()).expanduser(),
                parts=frozenset(part for part, check in self.parts.items() if check.isChecked()),
                container=Container(self.container.currentData()),
                quality=Quality(self.quality.currentData()),
                sound=self.sound.isChecked(),
            ),
            float(self.seconds.value()) if self.keep.isChecked() else 0.0,
        )

    @Slot()
    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for recordings", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    @Slot()
    def _check(self) -> None:
        chosen = any(check.isChecked() for check in self.parts.values())
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(chosen and bool(self.folder.text().strip()))
        ok.setToolTip("" if ok.isEnabled() else "Choose at least one part, and a folder")

    # What takes time ---------------------------------------------------------------------------------------------

    @Slot()
    def _poll(self) -> None:
        kept = self._look_back()
        self.memory.setText(f"{amount(kept.bytes)} of at most {amount(MOST_BYTES)}, {kept.seconds:.0f} s held")
        if self._look is not None and self._look.done:
            found = self._look.result
            self._look = None
            if found is not None:
                encoder, why, free = found
                self.encoder.setText(encoder)
                self.encoder.setToolTip(why)
                self.free.setText(free)
        folder = Path(self.folder.text().strip()).expanduser()
        if self._look is None and folder != self._looked_in:
            self._looked_in = folder
            self.free.setText("looking...")
            self.encoder.setText(self.encoder.text() or "looking for one...")
            self._look = Background(lambda told, cancel: _look(folder), "recording-options")

    @Slot()
    def _end(self) -> None:
        self._timer.stop()
        if self._look is not None:
            self._look.close()
            self._look = None


def _look(folder: Path) -> tuple[str, str, str]:
    """The encoder, why it was chosen, and the free room, in words."""
    free = free_bytes(folder)
    room = "unknown" if free is None else f"{amount(free)} free"
    try:
        choice = encoder_choice()
    except ScenescopeError as error:
        return error.user_message, error.hint, room
    return choice.words, choice.why, room


def _combo(titles: Mapping[Any, str], chosen: Any, tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    for value, title in titles.items():
        combo.addItem(title, value)
    combo.setCurrentIndex(list(titles).index(chosen))
    return combo
