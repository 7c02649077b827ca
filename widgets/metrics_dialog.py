"""The dialog that compares a run with a ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.pipelines.log.records import Session, SessionKind
from scenescope.widgets.background_row import BackgroundRow
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.dialog_parts import dialog_button, row_table
from scenescope.widgets.export_dialog import SessionChoice, fail
from scenescope.widgets.export_work import Comparison, compare, csv_of
from scenescope.widgets.settings import Settings

if TYPE_CHECKING:
    from scenescope.pipelines.exchange.detect import Recognised
    from scenescope.pipelines.exchange.metrics import ClassScore, Judgement

__all__ = ["HEADER", "MetricsDialog", "table_rows"]

PATH_KEY = "metrics.path"
HEADER = ("Class", "Precision", "Recall", "F1", "mAP 50", "mAP 50-95", "Correct", "Wrong", "Missed")
NONE = "-"


def table_rows(judgement: Judgement) -> list[list[str]]:
    """The rows of the table: all classes, then each."""
    return [_row(one) for one in (judgement.overall, *judgement.classes)]


def _row(one: ClassScore) -> list[str]:
    shares = (one.precision, one.recall, one.f1, one.ap50, one.ap50_95)
    return [
        one.label,
        *(NONE if share is None else f"{share:.3f}" for share in shares),
        *(f"{count}" for count in (one.correct, one.wrong, one.missed)),
    ]


def tracking_words(judgement: Judgement) -> str:
    """How well objects were followed, in one line; empty when it was not judged."""
    tracks = judgement.tracks
    if tracks is None:
        return ""
    parts = [f"MOTA {tracks.mota:.3f}"]
    parts += [
        f"{name} {value:.3f}" for name, value in (("IDF1", tracks.idf1), ("HOTA", tracks.hota)) if value is not None
    ]
    parts.append(f"{tracks.id_switches:,} id switches")
    parts.append(f"{tracks.found_tracks:,} tracks for {tracks.truth_tracks:,}")
    return "   ·   ".join(parts)


class MetricsDialog(QDialog):
    """Shown beside the window, which goes on.

    Args:
        log: the event log.
        settings: where the file that was used last is remembered.
        source_name: of the source that is shown; its newest run is chosen at first.
    """

    def __init__(self, log: Any, settings: Settings, source_name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._log = log
        self._settings = settings
        self._source_name = source_name
        self.judgement: Judgement | None = None
        self.setWindowTitle("Compare with ground truth")
        self.setSizeGripEnabled(True)
        self.resize(860, 600)
        self._build()
        self.refresh()

    # Putting together --------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.runs = SessionChoice()
        self.path = QLineEdit(str(self._settings.get(PATH_KEY, "")))
        self.path.setAccessibleName("Ground truth")
        self.path.setPlaceholderText("A file, folder or ZIP archive: COCO, YOLO, VOC, MOT, CVAT, CSV, Parquet, JSONL")
        self.path.setToolTip("The file, folder or ZIP archive with the true boxes")
        self.file = dialog_button("F&ile...", self._choose_file, "Choose a file")
        self.folder = dialog_button("F&older...", self._choose_folder, "Choose a folder")
        self.known = QLabel()
        self.known.setObjectName("muted")
        self.known.setTextFormat(self.known.textFormat().PlainText)
        top = QGridLayout()
        for row, (words, widget) in enumerate((("&Run", self.runs), ("&Ground truth", self.path))):
            label = QLabel(words)
            label.setBuddy(widget)
            top.addWidget(label, row, 0)
            top.addWidget(widget, row, 1)
        top.addWidget(self.file, 1, 2)
        top.addWidget(self.folder, 1, 3)
        top.addWidget(self.known, 2, 1, 1, 3)

        self.iou = self._share("Overlap", 0.5, "From which overlap (IoU) two boxes are one object; mAP has its own")
        self.confidence = self._share("Confidence", 0.0, "Results below do not count, but for mAP")
        self.match = QComboBox()
        self.match.setAccessibleName("Frames that belong together")
        self.match.setToolTip("Frames that belong together have the same number, or nearly the same time")
        for words, value in (("number, else time", "auto"), ("number", "number"), ("time", "time")):
            self.match.addItem(words, value)
        self.compare = dialog_button("&Compare", self._compare, "Judge the run against the ground truth")
        self.compare.setObjectName("primary")
        options = QHBoxLayout()
        for words, box in (
            ("O&verlap from", self.iou),
            ("Co&nfidence from", self.confidence),
            ("Frames &by", self.match),
        ):
            label = QLabel(words)
            label.setBuddy(box)
            options.addWidget(label)
            options.addWidget(box)
            options.addSpacing(8)
        options.addStretch(1)
        options.addWidget(self.compare)

        self.notice = Banner()
        self.tracking = QLabel()
        self.tracking.setObjectName("heading")
        self.tracking.setAccessibleName("Tracking")
        self.table = row_table("Scores by class", HEADER)
        self.table.verticalHeader().setDefaultSectionSize(26)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        first = QTableWidgetItem(HEADER[0])
        first.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.setHorizontalHeaderItem(0, first)
        self.remarks = QLabel()
        self.remarks.setObjectName("muted")
        self.remarks.setWordWrap(True)
        self.remarks.setTextFormat(self.remarks.textFormat().PlainText)
        self.background = BackgroundRow()
        self.background.changed.connect(self._show_state)
        self.copy = dialog_button("Copy as C&SV", self._copy, "Copy the table")
        close = dialog_button("C&lose", self.close, "Close this window")
        bottom = QHBoxLayout()
        bottom.addWidget(self.copy)
        bottom.addStretch(1)
        bottom.addWidget(close)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addLayout(top)
        column.addLayout(options)
        column.addWidget(self.notice)
        column.addWidget(self.table, 1)
        column.addWidget(self.tracking)
        column.addWidget(self.remarks)
        column.addWidget(self.background)
        column.addLayout(bottom)
        self.path.textChanged.connect(self._forget_format)
        self.path.editingFinished.connect(self._recognise)
        self.runs.currentIndexChanged.connect(self._show_state)
        QShortcut(QKeySequence("Ctrl+Return"), self, self._compare)

    @staticmethod
    def _share(name: str, value: float, tip: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(0.0, 1.0)
        box.setSingleStep(0.05)
        box.setValue(value)
        box.setAccessibleName(name)
        box.setToolTip(tip)
        return box

    # What is shown -----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the list of runs."""
        self.background.begin(
            "Reading the event log...", lambda *_: self._log.sessions(), self._show_runs, self._failed
        )

    def _show_runs(self, sessions: list[Session]) -> None:
        analysed = [session for session in sessions if session.kind is SessionKind.ANALYSIS]
        self.runs.show_sessions(analysed, self._source_name)
        if not analysed:
            self.notice.say(Level.INFO, "There is no run to compare yet.", "Analyse a file first.")
        self._show_state()
        self._recognise()

    @Slot()
    def _show_state(self) -> None:
        ready = self.runs.session_id is not None and bool(self.path.text().strip()) and not self.background.busy
        self.compare.setEnabled(ready)
        self.copy.setEnabled(self.judgement is not None)

    @Slot()
    def _forget_format(self) -> None:
        self.known.clear()
        self._show_state()

    # Work --------------------------------------------------------------------------------------------------------

    @Slot()
    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Ground truth", self.path.text(),
            "Annotations (*.json *.jsonl *.csv *.parquet *.xml *.txt *.yaml *.zip);;All files (*)",
        )  # fmt: skip
        self._take(path)

    @Slot()
    def _choose_folder(self) -> None:
        self._take(QFileDialog.getExistingDirectory(self, "Ground truth", self.path.text()))

    def _take(self, path: str) -> None:
        if path:
            self.path.setText(path)
            self._recognise()

    @Slot()
    def _recognise(self) -> None:
        words = self.path.text().strip()
        if not words or self.known.text() or self.background.busy:
            return
        self.background.begin(
            "Looking at the file...", lambda told, cancel: _look(words), self._recognised, self._failed
        )

    def _recognised(self, found: Recognised | None) -> None:
        if found is None:
            self.known.setText("Not recognised: it is in none of the formats that are known.")
            return
        how = "Recognised as" if found.sure else "Probably"
        self.known.setText(f"{how} {found.format.title}: {found.why}.")

    @Slot()
    def _compare(self) -> None:
        session_id = self.runs.session_id
        if session_id is None or not self.compare.isEnabled():
            return
        path = Path(self.path.text().strip()).expanduser()
        self._settings.set(PATH_KEY, str(path))
        wish = Comparison(session_id, path, self.iou.value(), self.confidence.value(), str(self.match.currentData()))
        self.notice.hide()
        self.background.begin(
            "Comparison", lambda told, cancel: compare(self._log, wish, told, cancel), self.show_judgement, self._failed
        )

    def show_judgement(self, judgement: Judgement) -> None:
        """Show what came of it."""
        self.judgement = judgement
        rows = table_rows(judgement)
        self.table.setRowCount(len(rows))
        for at, row in enumerate(rows):
            for column, words in enumerate(row):
                item = QTableWidgetItem(words)
                if column:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if at == 0:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self.table.setItem(at, column, item)
        self.tracking.setText(tracking_words(judgement))
        self.tracking.setVisible(bool(self.tracking.text()))
        matched = f"{judgement.frames:,} frames were compared, matched by their {judgement.matched_by}."
        self.remarks.setText("\n".join([matched, *judgement.remarks]))
        self._show_state()

    @Slot()
    def _copy(self) -> None:
        if self.judgement is not None:
            QGuiApplication.clipboard().setText(csv_of(HEADER, table_rows(self.judgement)))
            self.notice.say(Level.INFO, "The table was copied.", seconds=3.0)

    def _failed(self, error: Exception) -> None:
        fail(self.notice, error)

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        self.background.close_job()
        super().closeEvent(event)

    @override
    def reject(self) -> None:
        self.background.close_job()
        super().reject()


def _look(words: str) -> Recognised | None:
    from scenescope.pipelines.exchange.detect import recognise

    return recognise(Path(words).expanduser())
