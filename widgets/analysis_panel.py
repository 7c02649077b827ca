"""The dock of analyses: which part of the film, the runs of this and other films, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QPainter, QPaintEvent, QPalette, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.pipelines.analysis.compare import Comparison
from scenescope.pipelines.analysis.run import AnalysisProgress, AnalysisState
from scenescope.widgets.analysis_comparison import ComparisonView
from scenescope.widgets.analysis_rows import RUN_ROLE, RunDelegate, RunRow, RunRows
from scenescope.widgets.transport_marks import Span
from scenescope.widgets.transport_time import FilmExtent, clock, parse_jump, resolve

__all__ = ["AnalysisPanel", "RangeChoice"]

# The picture at the out mark belongs to the range; the next one is later than this.
PAST_OUT_S = 0.0005
Times = tuple[float | None, float | None]


class RangeChoice(StrEnum):
    """Which part of the film."""

    WHOLE = "Whole film"
    MARKS = "In to out mark"
    TYPED = "From ... to ..."


class _RunList(QListView):
    """The list, which says what to do while it is empty."""

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.model().rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            area = self.viewport().rect().adjusted(16, 12, -16, -12)
            how = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(area, how, "No film has been analysed yet.\nOpen a video file and press Start.")

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.viewport().update()


class AnalysisPanel(QWidget):
    """What it wishes is told by signals; what there is to show comes through its methods.

    Args:
        extent: gives how far the film reaches, for typed places.
    """

    start_wished = Signal(object)
    """Analyse the film: (start_s, end_s), None for its beginning and its end."""
    pause_wished = Signal(int)
    resume_wished = Signal(int)
    cancel_wished = Signal(int)
    show_wished = Signal(int)
    compare_wished = Signal(int, int)
    """Two sessions, the older one first."""
    compare_ended = Signal()
    """The comparison that is being made is not wanted any more."""
    delete_wished = Signal(list)
    jump_wished = Signal(int, float)

    def __init__(self, extent: Callable[[], FilmExtent] = FilmExtent, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._extent = extent
        self._span = Span()
        self._film = ""
        self._busy = False
        self.rows = RunRows(self)
        self._build_range()
        self._build_list()
        self.comparison = ComparisonView()
        self.comparison.back_wished.connect(self.show_list)
        self.comparison.jump_wished.connect(self.jump_wished)
        self.stack = QStackedWidget()
        page = QWidget()
        page.setLayout(self._list_page())
        self.stack.addWidget(page)
        self.stack.addWidget(self.comparison)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.addWidget(self.stack)
        self.show_film("", "")

    # Putting together --------------------------------------------------------------------------------------------

    def _build_range(self) -> None:
        self.choice = QComboBox()
        self.choice.setAccessibleName("Part of the film")
        self.choice.setToolTip("Which part of the film is analysed")
        self.choice.addItems([str(choice) for choice in RangeChoice])
        self.choice.currentIndexChanged.connect(self._range_changed)
        self.start_at, self.end_at = QLineEdit(), QLineEdit()
        for edit, name, hint in ((self.start_at, "From", "beginning"), (self.end_at, "To", "end")):
            edit.setAccessibleName(name)
            edit.setPlaceholderText(hint)
            edit.setToolTip("A time (1:02.5), a picture (#1234) or a percentage (37%)")
            edit.textChanged.connect(self._range_changed)
            edit.returnPressed.connect(self.start)
        self.start_button = QPushButton("Start")
        self.start_button.setObjectName("primary")
        self.start_button.setToolTip("Run the pipeline over every picture of this part, and keep what it finds")
        self.start_button.clicked.connect(self.start)
        self.hint = QLabel()
        self.hint.setObjectName("muted")
        self.problem = QLabel()
        self.problem.setObjectName("problem")
        for label in (self.hint, self.problem):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)

    def _build_list(self) -> None:
        self.list = _RunList()
        self.list.setModel(self.rows)
        self.list.setItemDelegate(RunDelegate(self.list))
        self.list.setAccessibleName("Analyses")
        self.list.setAccessibleDescription("Enter shows an analysis, Delete deletes it. Choose two to compare them.")
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.list.setMouseTracking(True)
        self.list.selectionModel().selectionChanged.connect(self._update_buttons)
        self.list.activated.connect(self.show_chosen)
        self.rows.modelReset.connect(self._update_buttons)
        self.rows.dataChanged.connect(self._update_buttons)
        QShortcut(QKeySequence.StandardKey.Delete, self.list, self.delete_chosen, context=_IN_LIST)
        self.pause = _button("Pause", "Hold the analysis, or go on with it", self.toggle_chosen)
        self.cancel = _button("Cancel", "End the analysis; what it found is kept, and it can be resumed", self._cancel)
        self.show_button = _button("Show", "Play the film with what this analysis found (Enter)", self.show_chosen)
        self.compare = _button("Compare", "Compare the two chosen analyses (choose with Ctrl)", self.compare_chosen)
        self.delete = _button("Delete...", "Delete the chosen analyses with all they found (Del)", self.delete_chosen)
        self.comparing = QProgressBar()
        self.comparing.setAccessibleName("Comparing")
        self.comparing.setTextVisible(False)
        self.comparing.setFixedHeight(6)
        self.comparing.hide()

    def _list_page(self) -> QVBoxLayout:
        times = QHBoxLayout()
        times.addWidget(self.choice, 1)
        times.addWidget(self.start_button)
        typed = QHBoxLayout()
        self.typed = QWidget()
        self.typed.setLayout(typed)
        typed.setContentsMargins(0, 0, 0, 0)
        for edit, word in ((self.start_at, "From"), (self.end_at, "to")):
            label = QLabel(word)
            label.setBuddy(edit)
            typed.addWidget(label)
            typed.addWidget(edit, 1)
        buttons = QGridLayout()
        buttons.setSpacing(6)
        for at, button in enumerate((self.pause, self.cancel, self.show_button, self.compare, self.delete)):
            buttons.addWidget(button, at // 3, at % 3)
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(times)
        for widget in (self.typed, self.hint, self.problem, self.list, self.comparing):
            column.addWidget(widget, 1 if widget is self.list else 0)
        column.addLayout(buttons)
        return column

    # What there is -----------------------------------------------------------------------------------------------

    def show_film(self, name: str, pipeline: str) -> None:
        """The film that is shown, "" for none, and what the pipeline runs, in words."""
        self._film, self._pipeline = name, pipeline
        self._range_changed()

    def show_marks(self, span: Span) -> None:
        """The marks of the film have changed."""
        self._span = span
        self._range_changed()

    def show_busy(self, busy: bool) -> None:
        """An analysis is under way, or not: one runs at a time."""
        self._busy = busy
        self._range_changed()

    def show_rows(self, rows: Sequence[RunRow]) -> None:
        """The analyses that there are; those that were chosen stay chosen, but one that has just begun comes first."""
        chosen, known = ({row.session.id for row in some} for some in (self.chosen, self.rows.rows))
        self.rows.show_rows(rows)
        begun = next((row.session.id for row in rows if row.active and row.session.id not in known), None)
        if begun is not None:
            # So that it can be held and cancelled at once.
            self.choose(begun)
        elif not self.chosen and chosen:
            for session_id in chosen:
                self.choose(session_id, alone=False)
        self._update_buttons()

    def show_progress(self, session_id: int, progress: AnalysisProgress) -> None:
        """How far one of them has come now."""
        self.rows.show_progress(session_id, progress)

    def show_comparing(self, done: int, total: int) -> None:
        """A comparison is under way; with a total of 0 it is over."""
        self.comparing.setVisible(total > 0)
        self.comparing.setMaximum(max(total, 1))
        self.comparing.setValue(done)
        self.compare.setText("Stop" if total > 0 else "Compare")
        self._update_buttons()

    def show_comparison(self, comparison: Comparison, first: str, second: str) -> None:
        """Show how two analyses differ."""
        self.comparison.show_comparison(comparison, first, second)
        self.stack.setCurrentWidget(self.comparison)
        (self.comparison.frames if comparison.differences else self.comparison.back).setFocus()

    @Slot()
    def show_list(self) -> None:
        """Show the analyses again."""
        self.stack.setCurrentIndex(0)
        self.list.setFocus()

    def choose(self, session_id: int, alone: bool = True) -> None:
        """Choose an analysis."""
        at = self.rows.row_of(session_id)
        if at < 0:
            return
        index, model = self.rows.index(at), self.list.selectionModel()
        flag = model.SelectionFlag.ClearAndSelect if alone else model.SelectionFlag.Select
        model.select(index, flag)
        if alone:
            self.list.setCurrentIndex(index)

    @property
    def chosen(self) -> list[RunRow]:
        """The chosen analyses, from the top."""
        indexes = sorted(self.list.selectionModel().selectedIndexes(), key=lambda index: index.row())
        return [row for index in indexes if isinstance(row := index.data(RUN_ROLE), RunRow)]

    # Which part --------------------------------------------------------------------------------------------------

    def times(self) -> Times:
        """The chosen part: when it begins, and before what time it ends.

        Raises:
            ValueError: it is none; the message is a sentence for the user.
        """
        choice = RangeChoice(self.choice.currentText())
        if choice is RangeChoice.WHOLE:
            return None, None
        if choice is RangeChoice.MARKS:
            if not self._span:
                raise ValueError("The film has no marks: set an in or an out mark first.")
            out_s = self._span.out_s
            return self._span.in_s, None if out_s is None else out_s + PAST_OUT_S
        start_s, end_s = (self._typed(edit.text()) for edit in (self.start_at, self.end_at))
        if end_s is not None and end_s <= (start_s or 0.0):
            raise ValueError("The range ends before it begins.")
        return start_s, end_s

    def _typed(self, text: str) -> float | None:
        if not text.strip():
            return None
        film = self._extent()
        target = resolve(parse_jump(text), film)
        if target.pts_s is not None:
            return target.pts_s
        assert target.frame is not None
        if film.index is not None:
            return film.index.pts_s(target.frame)
        if film.rate_hz <= 0:
            raise ValueError("Where that picture is will be known once the film has been read through.")
        return target.frame / film.rate_hz

    @Slot()
    def _range_changed(self) -> None:
        self.typed.setVisible(self.choice.currentText() == RangeChoice.TYPED)
        problem = ""
        try:
            start_s, end_s = self.times()
        except ValueError as error:
            problem = str(error)
        else:
            whole = start_s is None and end_s is None
            end = "the end" if end_s is None else clock(end_s)
            part = "every picture" if whole else f"{clock(start_s or 0.0)} to {end}"
            self.hint.setText(f"{self._film}: {part}, with {self._pipeline or 'no stages'}")
        if not self._film:
            problem = ""
            self.hint.setText("Open a video file to analyse it.")
        self.hint.setVisible(not problem)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.start_button.setEnabled(bool(self._film and self._pipeline and not problem and not self._busy))
        self.start_button.setAccessibleDescription(problem or self.hint.text())

    # What the user wishes ----------------------------------------------------------------------------------------

    @Slot()
    def start(self) -> None:
        """Analyse the chosen part, if that can be done."""
        if self.start_button.isEnabled():
            self.start_wished.emit(self.times())

    @Slot()
    def toggle_chosen(self) -> None:
        """Hold the chosen analysis, or go on with it."""
        for row in self.chosen[:1]:
            running = row.active and row.progress is not None and row.progress.state is not AnalysisState.PAUSED
            (self.pause_wished if running else self.resume_wished).emit(row.session.id)

    @Slot()
    def _cancel(self) -> None:
        for row in self.chosen:
            if row.active:
                self.cancel_wished.emit(row.session.id)

    @Slot()
    def show_chosen(self) -> None:
        """Play the film with what the chosen analysis found."""
        for row in self.chosen[:1]:
            self.show_wished.emit(row.session.id)

    @Slot()
    def compare_chosen(self) -> None:
        """Compare the two that are chosen; or end that."""
        if self.comparing.isVisibleTo(self):
            self.compare_ended.emit()
        elif len(chosen := sorted(row.session.id for row in self.chosen)) == 2:
            self.compare_wished.emit(*chosen)

    @Slot()
    def delete_chosen(self) -> None:
        """Delete the chosen ones; those that go on are left out."""
        if ids := [row.session.id for row in self.chosen if not row.active]:
            self.delete_wished.emit(ids)

    @Slot()
    def _update_buttons(self) -> None:
        chosen = self.chosen
        one = chosen[0] if len(chosen) == 1 else None
        active = one is not None and one.active
        paused = one is not None and one.progress is not None and one.progress.state is AnalysisState.PAUSED
        self.pause.setText("Resume" if one is not None and (paused or one.resumable) else "Pause")
        self.pause.setEnabled(active or (one is not None and one.resumable and not self._busy))
        self.cancel.setEnabled(any(row.active for row in chosen))
        self.show_button.setEnabled(one is not None)
        one_film = len({row.session.fingerprint for row in chosen}) == 1
        self.compare.setEnabled(self.comparing.isVisibleTo(self) or (len(chosen) == 2 and one_film))
        self.delete.setEnabled(any(not row.active for row in chosen))


_IN_LIST = Qt.ShortcutContext.WidgetShortcut


def _button(text: str, tip: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda: pressed())
    return button
