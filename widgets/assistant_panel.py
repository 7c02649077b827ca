"""AssistantPanel: the conversation beside the picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from PySide6.QtCore import QElapsedTimer, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from scenescope.models.language import Conversation, Evidence, Message, MessageKind
from scenescope.widgets.assistant_list import MessageList
from scenescope.widgets.assistant_message import FlowLayout, HistoryLine, MessageView, chip

__all__ = ["AssistantPanel"]

MAX_MESSAGES = 500
MAX_QUESTION_CHARS = 500
SHOWN_AT_ONCE = 100
TRIM_SLACK = 20
UPDATE_INTERVAL_MS = 67

STYLE = """
MessageView { border: 1px solid transparent; border-radius: 6px; background: palette(base); }
MessageView[kind="question"] { background: palette(alternate-base); margin-left: 24px; }
MessageView[kind="error"] { border-left: 4px solid #d9534f; }
MessageView:focus { border: 1px solid palette(highlight); }
MessageView QLabel { background: transparent; }
QLabel#assistantBadge { border: 1px solid palette(mid); border-radius: 8px; padding: 1px 7px; }
QPushButton#assistantChip { border: 1px solid palette(mid); border-radius: 9px; padding: 1px 8px;
                            background: palette(button); color: palette(button-text); }
QPushButton#assistantChip:hover, QPushButton#assistantChip:focus { border-color: palette(highlight); }
QPushButton#assistantChip:pressed { background: palette(highlight); color: palette(highlighted-text); }
"""


class AssistantPanel(QWidget):
    """Shows a conversation, takes questions, and leads from a claim to the picture that shows it.

    Messages may be made on any thread: they wait in a queue, and one wake-up brings all that wait to the window, at
    most fifteen times a second. Everything is shown as plain text.

    Args:
        conversation: who to talk to; may be set later.

    Attributes:
        pause_action, clear_action, ask_action: for menus.

    Signals:
        seek_requested: media time in seconds of evidence that was clicked.
        track_selected: the number of the track that it is about.
    """

    seek_requested = Signal(float)
    track_selected = Signal(int)
    _woken = Signal()

    def __init__(self, conversation: Conversation | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._conversation: Conversation | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._waiting: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self._wake_up_sent = False
        self._views: dict[int, MessageView] = {}
        self._suggested: list[QPushButton] = []
        self._cleared: tuple[Message, ...] = ()
        self._limit = SHOWN_AT_ONCE
        self._since_update = QElapsedTimer()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._show_waiting)
        self._woken.connect(self._wake, Qt.ConnectionType.QueuedConnection)
        self._make_widgets()
        self._make_actions()
        self._lay_out()
        self.setStyleSheet(STYLE)
        self.setAccessibleName("Assistant")
        self.set_conversation(conversation)

    def set_conversation(self, conversation: Conversation | None) -> None:
        """Talk to somebody else, or to nobody: then the panel holds on to nothing."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._conversation = conversation
        self._notice.hide()
        for part in (self._line, self._send, self.pause_action, self.clear_action, self.ask_action):
            part.setEnabled(conversation is not None)
        self._label_badge.setText(conversation.label if conversation else "No assistant")
        self._reach_badge.setText(conversation.reach.value if conversation else "")
        self._reach_badge.setVisible(conversation is not None)
        if conversation is not None:
            self.pause_action.setChecked(conversation.paused)
            self._unsubscribe = conversation.subscribe(self._receive)
            self.destroyed.connect(self._unsubscribe)
        self._show_all_anew()
        self._offer(())

    def ask(self, text: str) -> None:
        """Ask a question as if it had been typed."""
        if self._conversation is None or not text.strip():
            return
        self._list.go_to_end()
        self._cleared = ()
        self._notice.hide()
        self._line.remember(text.strip())
        self._conversation.ask(text.strip())

    # Building ----------------------------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        self._label_badge, self._reach_badge = _badge("Who answers"), _badge("Where pictures go")
        self._reach_badge.setWordWrap(True)
        self._more = _button("New messages below", "Go to the newest message", self._go_to_end)
        self._more.hide()
        self._list = MessageList()
        self._list.earlier_wanted.connect(self._show_earlier)
        self._list.end_reached.connect(self._more.hide)
        self._notice = QWidget()
        self._notice_text = QLabel()
        self._undo = _button("Undo", "Bring the cleared messages back", self._restore)
        self._notice.hide()
        self._suggestions = QWidget()
        self._suggestions.setAccessibleName("Suggested questions")
        self._suggestion_flow = FlowLayout(self._suggestions)
        self._line = HistoryLine()
        self._line.setPlaceholderText("Ask about the picture")
        self._line.setAccessibleName("Question")
        self._line.setToolTip("Return asks, Up and Down bring earlier questions back")
        self._line.setMaxLength(MAX_QUESTION_CHARS)
        self._line.entered.connect(self.ask)
        self._send = _button("Ask", "Ask the question (Return)", self._line.enter)
        self.setFocusProxy(self._line)

    def _make_actions(self) -> None:
        self.pause_action = self._action("&Pause descriptions", "Pause", "Ctrl+Shift+D")
        self.pause_action.setToolTip("Stop describing the scene; questions are still answered (Ctrl+Shift+D)")
        self.pause_action.setCheckable(True)
        self.pause_action.toggled.connect(self._set_paused)
        self.clear_action = self._action("&Clear conversation", "Clear", "Ctrl+Shift+L")
        self.clear_action.setToolTip("Clear the conversation; this can be undone (Ctrl+Shift+L)")
        self.clear_action.triggered.connect(self._clear)
        self.ask_action = self._action("&Ask the assistant", "Ask", "Ctrl+/")
        self.ask_action.setToolTip("Type a question about the picture (Ctrl+/)")
        self.ask_action.triggered.connect(self._focus_line)

    def _action(self, text: str, short: str, shortcut: str) -> QAction:
        action = QAction(text, self)
        action.setIconText(short)
        action.setShortcut(QKeySequence(shortcut))
        self.addAction(action)
        return action

    def _lay_out(self) -> None:
        head, notice, foot = QHBoxLayout(), QHBoxLayout(self._notice), QHBoxLayout()
        head.addWidget(self._label_badge)
        head.addStretch(1)
        for action in (self.pause_action, self.clear_action):
            button = QToolButton()
            button.setDefaultAction(action)
            button.setAccessibleName(action.text().replace("&", ""))
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            head.addWidget(button)
        notice.setContentsMargins(0, 0, 0, 0)
        notice.addWidget(self._notice_text, 1)
        notice.addWidget(self._undo)
        foot.addWidget(self._line, 1)
        foot.addWidget(self._send)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(head)
        layout.addWidget(self._reach_badge)
        layout.addWidget(self._list, 1)
        for part in (self._more, self._notice, self._suggestions):
            layout.addWidget(part)
        layout.addLayout(foot)
        self.setMinimumWidth(220)

    # Messages ----------------------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        """Take a message, on the thread that made it."""
        self._waiting.append(message)
        if not self._wake_up_sent:
            self._wake_up_sent = True
            with suppress(RuntimeError):  # The panel is being destroyed.
                self._woken.emit()

    def _wake(self) -> None:
        elapsed = self._since_update.elapsed() if self._since_update.isValid() else UPDATE_INTERVAL_MS
        if elapsed >= UPDATE_INTERVAL_MS:
            self._show_waiting()
        elif not self._later.isActive():
            self._later.start(UPDATE_INTERVAL_MS - elapsed)

    def _show_waiting(self) -> None:
        # Before the queue is emptied, so that a message that comes meanwhile sends a wake-up of its own.
        self._wake_up_sent = False
        messages: list[Message] = []
        with suppress(IndexError):
            while True:
                messages.append(self._waiting.popleft())
        self._since_update.start()
        if not messages:
            return
        self._append(messages)
        self._more.setVisible(not self._list.at_end)
        answers = [message for message in messages if message.kind is not MessageKind.QUESTION]
        if answers:
            self._offer(answers[-1].suggestions)

    def _append(self, messages: Sequence[Message]) -> None:
        new: list[MessageView] = []
        for message in messages[-MAX_MESSAGES:]:
            view = self._views.get(message.message_id)
            if view is None:
                new.append(self._new_view(message))
            else:
                view.show_message(message)
                if view not in new:
                    self._list.measure(view)
        self._list.add(new)
        # Older ones go several at a time, since that moves all the others.
        surplus = len(self._views) - self._limit
        if surplus > TRIM_SLACK or len(self._views) > MAX_MESSAGES:
            self._remove_views(list(self._views)[:surplus])
        self._list.set_earlier(bool(self._earlier()))

    def _new_view(self, message: Message) -> MessageView:
        view = self._views[message.message_id] = MessageView(message)
        view.evidence_clicked.connect(self._open_evidence)
        return view

    def _remove_views(self, message_ids: Sequence[int]) -> None:
        self._list.remove([self._views.pop(message_id) for message_id in message_ids])

    def _earlier(self) -> tuple[Message, ...]:
        """The kept messages before the first that is shown."""
        first = next(iter(self._views), 0)
        messages = self._conversation.messages if self._conversation is not None else ()
        return tuple(message for message in messages if message.message_id < first)

    def _show_earlier(self) -> None:
        messages = self._earlier()[-SHOWN_AT_ONCE:]
        self._limit = min(len(self._views) + len(messages), MAX_MESSAGES)
        later = dict(self._views)
        self._views.clear()
        self._list.add_before([self._new_view(message) for message in messages])
        self._views.update(later)
        self._list.set_earlier(bool(self._earlier()))

    def _show_all_anew(self) -> None:
        self._waiting.clear()
        self._remove_views(list(self._views))
        self._limit = SHOWN_AT_ONCE
        if self._conversation is not None:
            self._append(self._conversation.messages[-SHOWN_AT_ONCE:])

    def _open_evidence(self, evidence: Evidence) -> None:
        self.seek_requested.emit(evidence.pts_s)
        if evidence.track_id is not None:
            self.track_selected.emit(evidence.track_id)

    def _offer(self, suggestions: Sequence[str]) -> None:
        """Show questions to click on: those of the last answer, else some that can be answered now."""
        if not suggestions and self._conversation is not None:
            suggestions = self._conversation.examples()
        if [button.accessibleName() for button in self._suggested] == list(suggestions):
            return
        focused = self._suggestions.isAncestorOf(self.focusWidget()) if self.focusWidget() else False
        for old in self._suggested:
            self._suggestion_flow.removeWidget(old)
            old.hide()
            old.deleteLater()
        self._suggested = [chip(text, "Ask this") for text in suggestions]
        for button, text in zip(self._suggested, suggestions, strict=True):
            button.clicked.connect(lambda _checked=False, text=text: self._ask_suggestion(text))
            self._suggestion_flow.addWidget(button)
        self._suggestions.setVisible(bool(suggestions))
        if focused:
            self._line.setFocus()

    def _ask_suggestion(self, text: str) -> None:
        self._line.setFocus()
        self.ask(text)

    # Commands ----------------------------------------------------------------------------------------------------

    def _set_paused(self, paused: bool) -> None:
        if self._conversation is not None:
            self._conversation.set_paused(paused)

    def _clear(self) -> None:
        if self._conversation is None:
            return
        self._show_waiting()
        self._cleared = (*self._cleared, *self._conversation.clear())
        self._show_all_anew()
        if self._cleared:
            number = len(self._cleared)
            self._notice_text.setText(f"Cleared {number} message{'' if number == 1 else 's'}.")
            self._notice.show()
            self._undo.setFocus()

    def _restore(self) -> None:
        if self._conversation is not None:
            self._conversation.restore(self._cleared)
        self._cleared = ()
        self._notice.hide()
        self._show_all_anew()
        self._line.setFocus()

    def _go_to_end(self) -> None:
        self._list.go_to_end()
        self._focus_line()

    def _focus_line(self) -> None:
        self._line.setFocus(Qt.FocusReason.ShortcutFocusReason)


def _button(text: str, tip: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(clicked)
    return button


def _badge(name: str) -> QLabel:
    badge = QLabel()
    badge.setObjectName("assistantBadge")
    badge.setTextFormat(Qt.TextFormat.PlainText)
    badge.setAccessibleDescription(name)
    badge.setToolTip(name)
    return badge
