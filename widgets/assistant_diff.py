"""What the assistant did or wants to do: the pipeline before and after, with a way back or a yes and a no."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from PySide6.QtCore import QRect, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models.language import Change, DiffLine, Proposal, ProposalState
from scenescope.widgets.assistant_parts import FlowLayout, breakable, plain_label, plain_tip, sign
from scenescope.widgets.theme import Colours, colours_of

__all__ = ["ChangeCard", "DiffView", "ProposalCard", "folded"]

SETTLE_S = 0.4
"""A button that has just appeared, or moved, is not yet pressed on purpose."""
MOST_LINES = 5
SIGN_WIDTH_PX = 18
PAD_PX = 3
MEANINGS = {"+": "new", "-": "gone", "~": "changed", "=": "as before"}


def folded(lines: Sequence[DiffLine], most: int = MOST_LINES) -> tuple[DiffLine, ...]:
    """The same lines, with runs of unchanged ones as "3 as before" if there are more than ``most``."""
    if len(lines) <= most:
        return tuple(lines)
    shown: list[DiffLine] = []
    run: list[DiffLine] = []
    for line in (*lines, DiffLine("", "")):
        if line.sign == "=":
            run.append(line)
            continue
        shown += run if len(run) < 2 else [DiffLine("=", f"{len(run)} as before")]
        run = []
        shown.append(line)
    return tuple(shown[:-1])


def words_of(lines: Sequence[DiffLine]) -> str:
    """The lines as a sentence, for those who do not see them."""
    return "; ".join(f"{MEANINGS.get(line.sign, line.sign)}: {line.text}" for line in lines)


class DiffView(QWidget):
    """Stages under each other, each with a sign: + new, - gone and struck out, ~ changed, = as before."""

    def __init__(self, lines: Sequence[DiffLine], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lines: tuple[DiffLine, ...] = ()
        self.show_lines(lines)

    def show_lines(self, lines: Sequence[DiffLine]) -> None:
        """Show another difference."""
        self.lines = folded(lines)
        self.setAccessibleName("Pipeline before and after")
        self.setAccessibleDescription(words_of(lines))
        self.setToolTip(plain_tip("\n".join(f"{line.sign} {line.text}" for line in lines)))
        self.setVisible(bool(lines))
        self.updateGeometry()
        self.update()

    @override
    def sizeHint(self) -> QSize:
        return QSize(120, len(self.lines) * self._row_px)

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(1, self.sizeHint().height())

    @property
    def _row_px(self) -> int:
        return self.fontMetrics().height() + PAD_PX

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter, colours = QPainter(self), colours_of(self)
        metrics = QFontMetrics(self.font())
        for number, line in enumerate(self.lines):
            row = QRect(0, number * self._row_px, self.width(), self._row_px)
            ink = _ink(line.sign, colours)
            if line.sign in ("+", "-", "~"):
                ground = QColor(ink)
                ground.setAlpha(28)
                painter.fillRect(row, ground)
                painter.fillRect(QRect(0, row.top(), 2, row.height()), QColor(ink))
            bold = QFont(self.font())
            bold.setBold(True)
            painter.setFont(bold)
            painter.setPen(QColor(ink))
            # A minus as wide as the plus.
            shown = {"-": "\N{MINUS SIGN}"}.get(line.sign, line.sign)
            painter.drawText(QRect(2, row.top(), SIGN_WIDTH_PX, row.height()), Qt.AlignmentFlag.AlignCenter, shown)
            plain = QFont(self.font())
            plain.setStrikeOut(line.sign == "-")
            painter.setFont(plain)
            painter.setPen(QColor(colours.muted if line.sign in ("=", "-") else colours.text))
            room = row.adjusted(SIGN_WIDTH_PX + 6, 0, -4, 0)
            text = metrics.elidedText(line.text, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)


def _ink(line_sign: str, colours: Colours) -> str:
    return {"+": colours.good, "-": colours.bad, "~": colours.warning}.get(line_sign, colours.muted)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName("assistantChip")
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return button


class _Card(QFrame):
    """A title with a sign before it, more words, and the difference."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("assistantCard")
        self._sign = QLabel()
        self.title = plain_label()
        self.title.setObjectName("heading")
        self.diff = DiffView(())
        head = QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.title, 1)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(7, 5, 7, 6)
        self.column.setSpacing(4)
        self.column.addLayout(head)
        self._icon_name = ""

    def redraw(self) -> None:
        """Draw the sign in the colours of now."""
        self._sign.setPixmap(sign(self._icon_name, colours_of(self).accent, self))

    def _head(self, icon_name: str, title: str, lines: Sequence[DiffLine]) -> None:
        self._icon_name = icon_name
        self.redraw()
        self.title.setText(breakable(title))
        self.diff.show_lines(lines)

    def _let_go(self, *buttons: QPushButton) -> None:
        """Before buttons are disabled: their focus must not fall on the yes of the next proposal."""
        parent = self.parentWidget()
        if parent is not None and any(button.hasFocus() for button in buttons):
            parent.setFocus(Qt.FocusReason.OtherFocusReason)


class ChangeCard(_Card):
    """Something that was done.

    Signals:
        undo_wanted: the change's number.
    """

    undo_wanted = Signal(int)

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change
        self.undo = _button("Undo", "Take this change back")
        self.undo.clicked.connect(self._undo)
        row = QHBoxLayout()
        row.addWidget(self.undo)
        row.addStretch(1)
        self.column.addWidget(self.diff)
        self.column.addLayout(row)
        self.show_change(change)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """What the Tab key stops at."""
        return (self.undo,)

    def show_change(self, change: Change) -> None:
        """Show what has become of it."""
        self.change = change
        self._head("undo" if change.undone else "check", change.title, change.lines)
        self.undo.setText("Undone" if change.undone else "Undo")
        can = change.undoable and not change.undone
        if not can:
            self._let_go(self.undo)
        self.undo.setEnabled(can)
        if change.undone:
            tip = "This change was taken back"
        else:
            tip = "Take this change back" if change.undoable else "This cannot be taken back any more"
        self.undo.setToolTip(tip)
        self.undo.setAccessibleName(f"{self.undo.text()}: {change.title}")
        self.setAccessibleName(f"{'Undone' if change.undone else 'Done'}: {change.title}")

    def _undo(self) -> None:
        # Pressed once; the message that comes back says whether it was taken back.
        self._let_go(self.undo)
        self.undo.setEnabled(False)
        self.undo_wanted.emit(self.change.change_id)


class ProposalCard(_Card):
    """Something that is done only if the user clicks on it, and not by a click that was meant for what stood there.

    Signals:
        accepted, dismissed: the proposal's number.
    """

    accepted = Signal(int)
    dismissed = Signal(int)

    def __init__(self, proposal: Proposal) -> None:
        super().__init__()
        self.proposal = proposal
        self.why = plain_label()
        self.why.setObjectName("muted")
        self.decided = plain_label()
        self.decided.setObjectName("heading")
        self.do_it = _button("Do it", "Do what is proposed")
        self.leave_it = _button("Leave it", "Do not do what is proposed")
        self.do_it.clicked.connect(self._accept)
        self.leave_it.clicked.connect(self._dismiss)
        self._row = QWidget()
        flow = FlowLayout(self._row, 6)
        flow.addWidget(self.do_it)
        flow.addWidget(self.leave_it)
        for part in (self.why, self.diff, self.decided, self._row):
            self.column.addWidget(part)
        self._settled_at_s = monotonic() + SETTLE_S
        self.show_proposal(proposal)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """What the Tab key stops at; first the one that does nothing."""
        return (self.leave_it, self.do_it) if self.proposal.state is ProposalState.OPEN else ()

    def show_proposal(self, proposal: Proposal) -> None:
        """Show what has become of it."""
        self.proposal = proposal
        is_open = proposal.state is ProposalState.OPEN
        if not is_open:
            self._let_go(self.do_it, self.leave_it)
        icon_name = {ProposalState.OPEN: "info", ProposalState.ACCEPTED: "check"}.get(proposal.state, "close")
        self._head(icon_name, proposal.title, proposal.lines)
        self.why.setText(breakable(proposal.why))
        self.why.setVisible(bool(proposal.why))
        outcome = {ProposalState.ACCEPTED: "You agreed: done.", ProposalState.DISMISSED: "Left as it was."}
        self.decided.setText(outcome.get(proposal.state, ""))
        self.decided.setVisible(not is_open)
        self._row.setVisible(is_open)
        for button in (self.do_it, self.leave_it):
            button.setEnabled(is_open)
            button.setAccessibleName(f"{button.text()}: {proposal.title}")
        said = outcome.get(proposal.state, "Proposal")
        self.setAccessibleName(f"{said} {proposal.title}. {proposal.why}")

    def unsettle(self) -> None:
        """It stands somewhere else now: what is clicked in the next moment was meant for something else."""
        self._settled_at_s = monotonic() + SETTLE_S

    def _accept(self) -> None:
        self._decide(self.accepted)

    def _dismiss(self) -> None:
        self._decide(self.dismissed)

    def _decide(self, chosen: SignalInstance) -> None:
        if monotonic() < self._settled_at_s or self.proposal.state is not ProposalState.OPEN:
            return
        self._let_go(self.do_it, self.leave_it)
        for button in (self.do_it, self.leave_it):
            button.setEnabled(False)
        chosen.emit(self.proposal.proposal_id)
