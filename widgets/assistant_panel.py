"""AssistantPanel: the conversation beside the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models.language import Conversation, Evidence, Message, MessageKind, Phase, Picture, phrase_parts
from scenescope.widgets.assistant_actions import PanelActions
from scenescope.widgets.assistant_ask import MAX_QUESTION_CHARS, AskRow
from scenescope.widgets.assistant_badge import CornerBadge
from scenescope.widgets.assistant_header import AssistantHeader
from scenescope.widgets.assistant_inbox import MAX_MESSAGES, Inbox
from scenescope.widgets.assistant_list import MessageList
from scenescope.widgets.assistant_message import MessageView
from scenescope.widgets.assistant_pictures import PictureDialog, PictureLoader
from scenescope.widgets.assistant_services import PanelServices
from scenescope.widgets.assistant_style import panel_style
from scenescope.widgets.theme import colours_of

__all__ = ["AssistantPanel"]

SHOWN_AT_ONCE = 100
TRIM_SLACK = 20
LOOK_EVERY_MS = 250


class _Held:
    """What must be let go of when the panel is destroyed; no part of it, so that it is still there then."""

    def __init__(self) -> None:
        self.loader = PictureLoader()
        self.unsubscribe: Callable[[], None] = lambda: None

    def let_go(self) -> None:
        self.unsubscribe()
        self.loader.close()


class AssistantPanel(QWidget):
    """Shows a conversation, takes questions, and leads from a claim to the picture that shows it.

    Messages may be made on any thread: they wait, the newest state of each, and one wake-up brings all that wait to
    the window, at most fifteen times a second. Everything is shown as plain text.

    Args:
        conversation: who to talk to; may be set later.
        services: who else may answer, and what has left this computer.

    Attributes:
        actions_: for menus.

    Signals:
        seek_requested: media time in seconds of evidence that was clicked, of the source that is open.
        track_selected: the number of the track that it is about.
        evidence_requested: the :class:`~scenescope.models.language.Evidence` itself, of this or another session.
        download_requested: the model that is missing.
        show_requested: the panel itself, which is not seen and has something to show.
        told: what a command did while the panel is not seen: message and how to go on.
        watches_requested, history_requested, egress_requested, settings_requested: open that dialog.
    """

    seek_requested = Signal(float)
    track_selected = Signal(int)
    evidence_requested = Signal(object)
    download_requested = Signal()
    show_requested = Signal()
    told = Signal(str, str)
    watches_requested = Signal()
    history_requested = Signal()
    egress_requested = Signal()
    settings_requested = Signal()

    def __init__(
        self,
        conversation: Conversation | None = None,
        parent: QWidget | None = None,
        *,
        services: PanelServices = PanelServices(),  # noqa: B008
    ) -> None:
        super().__init__(parent)
        self._conversation: Conversation | None = None
        self._held = _Held()
        self.destroyed.connect(self._held.let_go)
        self._inbox = Inbox(self)
        self._inbox.due.connect(self._show_waiting)
        self._views: dict[int, MessageView] = {}
        self._doing: dict[int, MessageView] = {}
        self._cleared: tuple[Message, ...] = ()
        self._limit = SHOWN_AT_ONCE
        self._look_timer = QTimer(self)
        self._look_timer.setInterval(LOOK_EVERY_MS)
        self._look_timer.timeout.connect(self._look)
        self.actions_ = PanelActions(self)
        self._make_widgets(services)
        self._connect_actions()
        self._lay_out()
        self._colours = colours_of(self)
        self.setStyleSheet(panel_style(self._colours))
        self.setAccessibleName("Assistant")
        self.set_conversation(conversation)

    def set_conversation(self, conversation: Conversation | None) -> None:
        """Talk to somebody else, or to nobody: then the panel holds on to nothing."""
        self._held.unsubscribe()
        self._held.unsubscribe = lambda: None
        self._conversation = conversation
        self._notice.hide()
        self._foot.setEnabled(conversation is not None)
        for name in ("ask", "describe", "pause", "pause_sending", "clear"):
            self.actions_[name].setEnabled(conversation is not None)
        if conversation is not None:
            self._held.unsubscribe = conversation.subscribe(self._inbox.put)
            self._look_timer.start()
        else:
            self._look_timer.stop()
        self._show_all_anew()
        self._offer(())
        self._look()

    def set_services(self, services: PanelServices) -> None:
        """Who else may answer, and what has left this computer."""
        self._header.services = services
        self._look()

    def put_badge_over(self, picture: QWidget) -> None:
        """Tell in a corner of the picture where pictures go, whenever they leave this computer and this is not seen."""
        corner = self._header.corner = CornerBadge(picture)
        corner.clicked.connect(self.actions_["egress"].trigger)
        self._look()

    def ask(self, text: str) -> None:
        """Ask a question as if it had been typed. What is being answered goes on or ends as the conversation wills."""
        if self._conversation is None or not text.strip():
            return
        self._list.go_to_end()
        self._cleared = ()
        self._notice.hide()
        self._foot.line.remember(text.strip())
        self._conversation.ask(text.strip()[:MAX_QUESTION_CHARS])
        self._look()

    def begin(self, phrase: str) -> None:
        """Put a phrase with a gap, "track the [dog]", into the line for the user to fill and send."""
        if self._conversation is not None:
            self._focus_line()
            self._foot.line.begin(*phrase_parts(phrase))

    # Building ----------------------------------------------------------------------------------------------------

    def _make_widgets(self, services: PanelServices) -> None:
        self._header = AssistantHeader(self.actions_, services)
        self._header.download_wanted.connect(self.download_requested)
        self._more = _button("More below", "Go to the newest message", self._go_to_end)
        self._more.hide()
        self._list = MessageList()
        self._list.earlier_wanted.connect(self._show_earlier)
        self._list.end_reached.connect(self._more.hide)
        self._notice = QWidget()
        self._notice_text = QLabel()
        self._undo = _button("Undo", "Bring the cleared messages back", self._restore)
        self._notice.hide()
        self._foot = AskRow()
        self._foot.asked.connect(self.ask)
        self._foot.stop_wanted.connect(self._stop)
        self.setFocusProxy(self._foot.line)

    def _connect_actions(self) -> None:
        does: dict[str, Callable[[], object]] = {
            "ask": self._focus_line,
            "describe": self._describe,
            "stop": self._stop,
            "clear": self._clear,
            "watches": self.watches_requested.emit,
            "history": self.history_requested.emit,
            "egress": self.egress_requested.emit,
            "settings": self.settings_requested.emit,
        }
        for name, act in does.items():
            self.actions_[name].triggered.connect(lambda _=False, act=act: act())
        for name in ("ask", "describe", "clear"):
            self.actions_[name].triggered.connect(self._be_seen)
        self.actions_["pause"].toggled.connect(self._set_paused)
        self.actions_["pause_sending"].toggled.connect(self._pause_sending)

    @property
    def menu_actions(self) -> list[QAction]:
        """For a menu of the assistant, in order."""
        return self.actions_.all()

    def _lay_out(self) -> None:
        notice = QHBoxLayout(self._notice)
        notice.setContentsMargins(0, 0, 0, 0)
        notice.addWidget(self._notice_text, 1)
        notice.addWidget(self._undo)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self._header)
        layout.addWidget(self._list, 1)
        for part in (self._more, self._notice, self._foot):
            layout.addWidget(part)
        self.setMinimumWidth(220)

    # Messages ----------------------------------------------------------------------------------------------------

    @Slot()
    def _show_waiting(self) -> None:
        messages = self._inbox.take()
        if not messages:
            return
        self._append(messages)
        self._more.setVisible(not self._list.at_end)
        said = [message for message in messages if message.kind is not MessageKind.QUESTION and not message.doing]
        if said:
            self._offer(said[-1].suggestions)
        self._look()

    def _append(self, messages: Sequence[Message]) -> None:
        new: list[MessageView] = []
        changed: list[MessageView] = []
        first = next(iter(self._views), 0)
        for message in messages[-MAX_MESSAGES:]:
            view = self._views.get(message.message_id)
            if view is not None:
                view.show_message(message)
                changed.append(view)
            elif message.message_id >= first:
                view = self._new_view(message)
                new.append(view)
            else:  # It is not shown, and will be as it is now when the user wants earlier ones.
                continue
            if message.doing:
                self._doing[message.message_id] = view
            else:
                self._doing.pop(message.message_id, None)
        if changed:
            self._list.measure(changed)
        if new:
            self._list.add(new)
        # Older ones go several at a time, since that moves all the others.
        surplus = len(self._views) - self._limit
        if surplus > TRIM_SLACK or len(self._views) > MAX_MESSAGES:
            self._remove_views(list(self._views)[:surplus])
        self._list.set_earlier(bool(self._earlier()))

    def _new_view(self, message: Message) -> MessageView:
        view = self._views[message.message_id] = MessageView(message, self._held.loader)
        view.evidence_clicked.connect(lambda evidence, view=view: self._open_evidence(evidence, view.message))
        view.picture_clicked.connect(lambda number, view=view: self._open_picture(view.message, number))
        view.undo_wanted.connect(self._undo_change)
        view.accepted.connect(self._accept)
        view.dismissed.connect(self._dismiss)
        return view

    def _remove_views(self, message_ids: Sequence[int]) -> None:
        for message_id in message_ids:
            self._doing.pop(message_id, None)
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
        self._inbox.clear()
        self._remove_views(list(self._views))
        self._limit = SHOWN_AT_ONCE
        if self._conversation is not None:
            self._append(self._conversation.messages[-SHOWN_AT_ONCE:])

    def _open_evidence(self, evidence: Evidence, message: Message | None = None) -> None:
        """Lead to the picture: in the source, or where nobody can go back to it, among those that were looked at."""
        services = self._header.services
        now = evidence.session_id in (None, services.session_id())
        looked_at = [picture.frame_index for picture in message.pictures] if message is not None else []
        if message is not None and now and not services.can_seek() and evidence.frame_index in looked_at:
            self._open_picture(message, looked_at.index(evidence.frame_index))
        else:
            self.evidence_requested.emit(evidence)
            if now:
                self.seek_requested.emit(evidence.pts_s)
        if now and evidence.track_id is not None:
            self.track_selected.emit(evidence.track_id)

    def _open_picture(self, message: Message, number: int) -> None:
        session_id = next((one.session_id for one in message.evidence), None)

        def jump(picture: Picture) -> None:
            self._open_evidence(Evidence(picture.frame_index, picture.pts_s, session_id=session_id))

        can_seek = self._header.services.can_seek()
        dialog = PictureDialog(message.pictures, number, self._held.loader, self, can_jump=can_seek)
        dialog.jump_wanted.connect(jump)
        if can_seek:
            jump(dialog.picture)
        dialog.show()

    def _offer(self, suggestions: Sequence[str]) -> None:
        """Show questions to click on: those of the last answer, else some that can be answered now."""
        if not suggestions and self._conversation is not None:
            suggestions = self._conversation.examples()
        self._foot.offer(suggestions)

    # Commands ----------------------------------------------------------------------------------------------------

    @Slot()
    def _look(self) -> None:
        """See how the conversation is, and let what goes on be seen."""
        self._header.look(self._conversation, doing=bool(self._doing))
        for view in self._doing.values():
            view.step()
        state = self._conversation.state if self._conversation is not None else None
        answering = state is not None and (state.phase is Phase.ANSWERING or bool(self._doing))
        self._foot.set_answering(answering)

    @property
    def _seen(self) -> bool:
        return not self.visibleRegion().isEmpty()

    @Slot()
    def _be_seen(self) -> None:
        if not self._seen:
            self.show_requested.emit()

    def _tell(self, message: str, more: str) -> None:
        if not self._seen:
            self.told.emit(message, more)

    def _stop(self) -> None:
        if self._conversation is not None:
            self._conversation.stop()
            self._foot.line.setFocus()
            self._tell("The assistant was stopped.", "What it said so far stays in its panel (F7).")

    def _describe(self) -> None:
        if self._conversation is not None:
            self._conversation.describe()

    @Slot(int)
    def _accept(self, proposal_id: int) -> None:
        if self._conversation is not None:
            self._conversation.accept(proposal_id)

    @Slot(int)
    def _dismiss(self, proposal_id: int) -> None:
        if self._conversation is not None:
            self._conversation.dismiss(proposal_id)

    @Slot(int)
    def _undo_change(self, change_id: int) -> None:
        if self._conversation is not None:
            self._conversation.undo(change_id)

    def _pause_sending(self, paused: bool) -> None:
        self._header.services.set_sending_paused(paused)
        self._look()
        self._tell(*self.actions_.switched("pause_sending"))

    def _set_paused(self, paused: bool) -> None:
        if self._conversation is not None:
            self._conversation.set_paused(paused)
            self._tell(*self.actions_.switched("pause"))

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
        self._foot.line.setFocus()

    def _go_to_end(self) -> None:
        self._list.go_to_end()
        self._focus_line()

    def _focus_line(self) -> None:
        self._foot.line.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # Events ------------------------------------------------------------------------------------------------------

    @override
    def event(self, event: QEvent) -> bool:
        stops = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self._header.running
        if stops and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._header.running:
            self._stop()
        else:
            super().keyPressEvent(event)

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look()

    @override
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._look()

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_colours"):
            colours = colours_of(self)
            if colours is not self._colours:
                self._colours = colours
                self.setStyleSheet(panel_style(colours))
                self._header.redraw()


def _button(text: str, tip: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(clicked)
    return button
