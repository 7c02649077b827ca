"""How the assistant is and where pictures go: told by sign, word and colour together."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models.language import ModelState, Phase, Reach
from scenescope.widgets.assistant_parts import Dots, breakable, plain_label, sign
from scenescope.widgets.assistant_style import panel_style
from scenescope.widgets.theme import Colours, colours_of

__all__ = ["RUNNING", "CornerBadge", "PrivacyBadge", "StateLine", "reach_sign"]

RUNNING = (Phase.LOADING, Phase.LOOKING, Phase.ANSWERING)
BUSY = (*RUNNING, Phase.DOWNLOADING)
PER_MILLE = 1000
CORNER_PX = 10
BESIDE_WORDS_PX = 52
_PHASE_SIGNS = {
    Phase.OFF: "power",
    Phase.NEEDS_MODEL: "models",
    Phase.READY: "check",
    Phase.STOPPED: "stop",
    Phase.DEGRADED: "warning",
    Phase.UNAVAILABLE: "error",
}


def reach_sign(reach: Reach, colours: Colours) -> tuple[str, str]:
    """The drawing and the colour of a reach."""
    return {
        Reach.THIS_COMPUTER: ("computer", colours.good),
        Reach.YOUR_NETWORK: ("network", colours.warning),
        Reach.INTERNET: ("internet", colours.bad),
    }[reach]


def counted(number: int) -> str:
    """How many pictures were sent, in words."""
    return "no picture sent" if not number else f"{number:,} picture{'s' * (number != 1)} sent"


class PrivacyBadge(QPushButton):
    """Where pictures go, and how many went: a button that leads to the list of what was sent."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("privacyBadge")
        self.setAutoDefault(False)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._reach: Reach | None = None
        self._shown: tuple[Reach, int, bool] | None = None
        self._sign = QLabel()
        self.words = plain_label()
        self.count = plain_label()
        self.count.setObjectName("muted")
        for label in (self._sign, self.words, self.count):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.words)
        words.addWidget(self.count)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(8, 4, 8, 4)
        self._row.setSpacing(7)
        self._row.addWidget(self._sign)
        self._row.addLayout(words, 1)

    def show_reach(self, reach: Reach, sent: int, paused: bool) -> None:
        """Show how far pictures go, how many did, and whether sending pauses."""
        if (reach, sent, paused) == self._shown:
            return
        self._shown, self._reach = (reach, sent, paused), reach
        said = counted(sent)
        if paused:
            said = f"Sending is paused; {said}"
        self.words.setText(reach.value)
        self.count.setText(said[:1].upper() + said[1:])
        self.count.setVisible(reach is not Reach.THIS_COMPUTER or bool(sent) or paused)
        self.setAccessibleName(f"{reach.value}. {said}")
        self.setToolTip("See what was sent, to whom and when (Ctrl+Shift+G)")
        self.setProperty("reach", reach.name.lower())
        self.style().unpolish(self)
        self.style().polish(self)
        self._redraw()
        self.updateGeometry()

    def _redraw(self) -> None:
        if self._reach is not None:
            name, ink = reach_sign(self._reach, colours_of(self))
            self._sign.setPixmap(sign(name, ink, self, 18))

    @override
    def sizeHint(self) -> QSize:
        return self._row.sizeHint()

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(1, self._row.minimumSize().height())

    @override
    def hasHeightForWidth(self) -> bool:
        return True

    @override
    def heightForWidth(self, width: int) -> int:
        return self._row.heightForWidth(width)

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._redraw()


class CornerBadge(PrivacyBadge):
    """The badge in the lower right corner of the picture, for as long as the panel with its own is out of sight.

    Args:
        picture: what it lies over.
    """

    def __init__(self, picture: QWidget) -> None:
        super().__init__(picture)
        self._picture = picture
        # Tab goes through the objects of the picture; the keys of the badge's action lead here too.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setStyleSheet(panel_style(colours_of(self)))
        picture.installEventFilter(self)
        self.hide()

    def tell(self, reach: Reach, sent: int, paused: bool, *, panel_seen: bool) -> None:
        """Show it if pictures may leave this computer and nothing else says so."""
        self.show_reach(reach, sent, paused)
        shown = reach is not Reach.THIS_COMPUTER and not panel_seen
        if shown:
            self._place()
        self.setVisible(shown)

    def _place(self) -> None:
        room = self._picture.rect().adjusted(0, 0, -CORNER_PX, -CORNER_PX)
        longest = max(one.fontMetrics().horizontalAdvance(one.text()) for one in (self.words, self.count))
        width = min(longest + BESIDE_WORDS_PX, room.width() - CORNER_PX)
        height = self.heightForWidth(width)
        self.setGeometry(room.right() - width + 1, room.bottom() - height + 1, width, height)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            style = panel_style(colours_of(self))
            if style != self.styleSheet():
                self.setStyleSheet(style)


class StateLine(QWidget):
    """How whoever answers is, why, and what to do about it.

    Signals:
        download_wanted: the user wants the model that is missing.
    """

    download_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state: ModelState | None = None
        self._sign, self.dots = QLabel(), Dots()
        self.words = plain_label()
        self.words.setAccessibleDescription("How the assistant is")
        self.cure = plain_label()
        self.cure.setObjectName("muted")
        self.download = QPushButton("&Download...")
        self.download.setAutoDefault(False)
        self.download.setToolTip("Choose and download a model that runs on this computer")
        self.download.clicked.connect(self.download_wanted)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Download")
        self.bar.setMaximumHeight(6)
        row = QHBoxLayout()
        row.setSpacing(6)
        top = Qt.AlignmentFlag.AlignTop
        row.addWidget(self._sign, 0, top)
        row.addWidget(self.dots, 0, top)
        row.addWidget(self.words, 1)
        row.addWidget(self.download, 0, top)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.cure)
        column.addWidget(self.bar)

    def show_state(self, state: ModelState, progress: float | None = None) -> None:
        """Show another state; ``progress`` of a download from 0 to 1, None where it is not known."""
        if state.phase is Phase.DOWNLOADING:
            self.bar.setRange(0, 0 if progress is None else PER_MILLE)
            self.bar.setValue(round((progress or 0.0) * PER_MILLE))
        if state == self.state:
            return
        self.state = state
        self.words.setText(breakable(f"{state.phase.value}: {state.why}" if state.why else state.phase.value))
        self.words.setAccessibleName(f"State: {self.words.text()}")
        self.cure.setText(breakable(state.cure))
        self.cure.setVisible(bool(state.cure))
        self.dots.setVisible(state.phase in BUSY)
        self._sign.setVisible(state.phase not in BUSY)
        self.download.setVisible(state.phase is Phase.NEEDS_MODEL)
        self.bar.setVisible(state.phase is Phase.DOWNLOADING)
        self._redraw()

    def _redraw(self) -> None:
        if self.state is None or self.state.phase in BUSY:
            return
        colours, phase = colours_of(self), self.state.phase
        ink = {
            Phase.READY: colours.good,
            Phase.NEEDS_MODEL: colours.warning,
            Phase.DEGRADED: colours.warning,
            Phase.UNAVAILABLE: colours.bad,
        }.get(phase, colours.muted)
        self._sign.setPixmap(sign(_PHASE_SIGNS[phase], ink, self))

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._redraw()
