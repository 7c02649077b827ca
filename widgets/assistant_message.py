"""One message of the conversation as a widget."""

from __future__ import annotations

import time
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent, QKeySequence, QMoveEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models.language import Evidence, Message, MessageKind, media_time
from scenescope.widgets.assistant_diff import ChangeCard, ProposalCard
from scenescope.widgets.assistant_parts import (
    ZERO_WIDTH_SPACE,
    Chip,
    Dots,
    ElidedLabel,
    FlowLayout,
    breakable,
    plain_label,
    sign,
)
from scenescope.widgets.assistant_pictures import PictureLoader, PictureStrip
from scenescope.widgets.theme import colours_of

__all__ = ["MessageView"]

MOST_GROWING_CHARS = 1000
CHECKED = "All objects, numbers and times in this that the app can check agree with what it has looked up"
SIGNS = {MessageKind.WATCH: ("watch", "watch"), MessageKind.ERROR: ("error", "problem")}


class MessageView(QFrame):
    """One message: who and when, the words as plain text, chips for the evidence, and what was looked at and done.

    Args:
        message: to be shown.
        loader: decodes its pictures.

    Signals:
        evidence_clicked: an :class:`~scenescope.models.language.Evidence`.
        picture_clicked: the number of one of the message's pictures.
        undo_wanted: the number of a change.
        accepted, dismissed: the number of a proposal.
    """

    evidence_clicked = Signal(object)
    picture_clicked = Signal(int)
    undo_wanted = Signal(int)
    accepted = Signal(int)
    dismissed = Signal(int)

    def __init__(self, message: Message, loader: PictureLoader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._loader = loader
        self._current = False
        self._sign = QLabel()
        self._head, self._when = ElidedLabel(), plain_label(wraps=False)
        small = self._head.font()
        if small.pointSizeF() > 0:  # A font may be given in pixels.
            small.setPointSizeF(small.pointSizeF() * 0.85)
        for label in (self._head, self._when):
            label.setObjectName("muted")
            label.setFont(small)
        self._checked = QLabel()
        self._checked.setToolTip(CHECKED)
        self._checked.setAccessibleName("Checked")
        self.body = plain_label()
        self.body.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.body.setFocusProxy(self)
        self.body.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.chips: list[Chip] = []
        self.changes: dict[int, ChangeCard] = {}
        self.proposals: dict[int, ProposalCard] = {}
        self.notes: list[QLabel] = []
        # Most messages have none of these: they are made when they are needed.
        self._doing: QWidget | None = None
        self._dots: Dots | None = None
        self._doing_words: QLabel | None = None
        self._notes_box: QWidget | None = None
        self._chip_row: QWidget | None = None
        self.strip: PictureStrip | None = None
        head = QHBoxLayout()
        head.setSpacing(5)
        head.addWidget(self._sign)
        head.addWidget(self._head, 1)
        head.addWidget(self._checked)
        head.addWidget(self._when)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(8, 5, 8, 6)
        self._column.setSpacing(4)
        self._column.addLayout(head)
        self._column.addWidget(self.body)
        self.copy_action = QAction("&Copy message", self)
        self.copy_action.setShortcut(QKeySequence.StandardKey.Copy)
        self.copy_action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.copy_action.triggered.connect(self.copy)
        self.addAction(self.copy_action)
        self.message = Message(0, message.kind, "", "", 0.0)
        self.show_message(message)

    # Showing -----------------------------------------------------------------------------------------------------

    def show_message(self, message: Message) -> None:
        """Show another state of it in place: an answer that grows. What has not changed is left alone."""
        before, self.message = self.message, message
        kind = SIGNS.get(message.kind)
        colours = colours_of(self)
        self.setProperty("kind", message.kind.value)
        clock = time.strftime("%H:%M", time.localtime(message.wall_s))
        at = [] if message.pts_s is None else [media_time(message.pts_s)]
        self._head.setText("  ·  ".join([*([kind[1]] if kind else []), message.author]))
        self._when.setText("  ·  ".join([*at, clock]))
        self._sign.setVisible(kind is not None)
        if kind is not None:
            ink = colours.bad if message.kind is MessageKind.ERROR else colours.accent
            self._sign.setPixmap(sign(kind[0], ink, self))
        self._checked.setVisible(message.checked)
        if message.checked and not before.checked:
            self._checked.setPixmap(sign("check", colours.good, self))
        # To lay out all of a flood of words again with each new one would hold up the window.
        grows = bool(message.doing) and len(message.text) > MOST_GROWING_CHARS
        words = f"… {message.text[-MOST_GROWING_CHARS:]}" if grows else message.text
        text = "\n".join(filter(None, (words, message.hint)))
        if breakable(text) != self.body.text():
            self.body.setText(breakable(text))
        self.body.setVisible(bool(text))
        if message.doing != before.doing:
            self._show_doing(message.doing)
        if message.notes != before.notes:
            self._show_notes(message.notes)
        if message.pictures != before.pictures:
            self._show_pictures()
        if message.evidence != before.evidence:
            self._show_evidence(message.evidence)
        if message.changes != before.changes or message.proposals != before.proposals:
            self._show_cards(message)
        self.setAccessibleName(f"{message.author}: {text}{' Checked.' * message.checked}")
        self.setAccessibleDescription(" ".join((message.doing, *message.notes)).strip())
        self.set_current(self._current)

    def redraw(self) -> None:
        """Draw the signs in the colours of now."""
        message, self.message = self.message, replace(self.message, notes=(), checked=False)
        self.show_message(message)
        for card in (*self.changes.values(), *self.proposals.values()):
            card.redraw()

    def step(self) -> None:
        """Move the sign that something is going on."""
        if self._dots is not None:
            self._dots.step()

    def unsettle(self) -> None:
        """It stands somewhere else now."""
        for card in self.proposals.values():
            card.unsettle()

    def copy(self) -> None:
        """Put the selected words, or the whole text, on the clipboard."""
        QGuiApplication.clipboard().setText(self.body.selectedText().replace(ZERO_WIDTH_SPACE, "") or self.message.text)

    # The keyboard ------------------------------------------------------------------------------------------------

    @property
    def buttons(self) -> list[QAbstractButton]:
        """What can be pressed in it, from top to bottom."""
        cards: list[ChangeCard | ProposalCard] = [*self.changes.values(), *self.proposals.values()]
        return [
            *(self.strip.buttons if self.strip is not None else ()),
            *self.chips,
            *(button for card in cards for button in card.buttons),
        ]

    def set_current(self, current: bool) -> None:
        """Let the Tab key stop at the buttons of the current message only, not at those of all five hundred."""
        self._current = current
        policy = Qt.FocusPolicy.StrongFocus if current else Qt.FocusPolicy.ClickFocus
        for button in self.buttons:
            if button.focusPolicy() != policy:
                button.setFocusPolicy(policy)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter presses the button that has the focus, else opens the first piece of evidence."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
            return
        focused = [button for button in self.buttons if button.hasFocus()]
        for button in focused or self.chips[:1]:
            button.click()

    @override
    def moveEvent(self, event: QMoveEvent) -> None:
        super().moveEvent(event)
        self.unsettle()

    # Parts -------------------------------------------------------------------------------------------------------

    def _show_doing(self, doing: str) -> None:
        if self._doing is None:
            self._doing = QWidget()
            self._dots, self._doing_words = Dots(), plain_label()
            self._doing_words.setObjectName("muted")
            row = QHBoxLayout(self._doing)
            row.setContentsMargins(0, 0, 0, 0)
            row.addWidget(self._dots, 0, Qt.AlignmentFlag.AlignTop)
            row.addWidget(self._doing_words, 1)
            self._column.insertWidget(2, self._doing)
        assert self._doing_words is not None
        self._doing_words.setText(breakable(doing))
        self._doing.setVisible(bool(doing))

    def _show_notes(self, notes: tuple[str, ...]) -> None:
        self._drop(self._notes_box)
        self.notes = []
        self._notes_box = QFrame()
        self._notes_box.setObjectName("assistantNotes")
        column = QVBoxLayout(self._notes_box)
        column.setContentsMargins(7, 4, 7, 4)
        column.setSpacing(3)
        warning = colours_of(self).warning
        for note in notes:
            mark, words = QLabel(), plain_label(note)
            mark.setPixmap(sign("warning", warning, self))
            words.setAccessibleName(f"Take care: {note}")
            row = QHBoxLayout()
            row.setSpacing(6)
            row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
            row.addWidget(words, 1)
            column.addLayout(row)
            self.notes.append(words)
        self._put_in(self._column.indexOf(self.body) + 1, self._notes_box, bool(notes))

    def _show_pictures(self) -> None:
        self._drop(self.strip)
        self.strip = PictureStrip(self.message.pictures, self._loader) if self.message.pictures else None
        if self.strip is not None:
            self.strip.chosen.connect(self.picture_clicked)
            self._put_in(1, self.strip)

    def _show_evidence(self, evidence: tuple[Evidence, ...]) -> None:
        self._drop(self._chip_row)
        self._chip_row = QWidget()
        flow = FlowLayout(self._chip_row)
        self.chips = []
        for one in evidence:
            about = "" if one.track_id is None else f" and select #{one.track_id}"
            button = Chip(str(one), f"Jump to {media_time(one.pts_s)}{about}")
            button.clicked.connect(lambda _=False, one=one: self.evidence_clicked.emit(one))
            flow.addWidget(button)
            self.chips.append(button)
        before_cards = self._column.count() - len(self.changes) - len(self.proposals)
        self._put_in(before_cards, self._chip_row, bool(evidence))

    def _show_cards(self, message: Message) -> None:
        for change in message.changes:
            if change.change_id in self.changes:
                self.changes[change.change_id].show_change(change)
                continue
            made = self.changes[change.change_id] = ChangeCard(change)
            made.undo_wanted.connect(self.undo_wanted)
            self._put_in(self._column.count(), made)
        for proposal in message.proposals:
            if proposal.proposal_id in self.proposals:
                self.proposals[proposal.proposal_id].show_proposal(proposal)
                continue
            card = self.proposals[proposal.proposal_id] = ProposalCard(proposal)
            card.accepted.connect(self.accepted)
            card.dismissed.connect(self.dismissed)
            self._put_in(self._column.count(), card)
        for number in self.changes.keys() - {change.change_id for change in message.changes}:
            self._drop(self.changes.pop(number))
        for number in self.proposals.keys() - {proposal.proposal_id for proposal in message.proposals}:
            self._drop(self.proposals.pop(number))

    def _put_in(self, place: int, part: QWidget, visible: bool = True) -> None:
        """Shown once it has its place, not before: it would be a window of its own, and hidden when it is put in."""
        self._column.insertWidget(place, part)
        part.setVisible(visible)

    def _drop(self, part: QWidget | None) -> None:
        if part is not None:
            focused = QApplication.focusWidget()
            if focused is not None and part.isAncestorOf(focused):
                # The focus of a button that goes must not fall on the yes of a proposal.
                self.setFocus(Qt.FocusReason.OtherFocusReason)
            self._column.removeWidget(part)
            part.hide()
            part.deleteLater()
