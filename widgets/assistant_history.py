"""HistoryDialog: conversations of earlier times, to be searched, read, exported and forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models.language import Evidence, Message
from scenescope.widgets.assistant_list import MessageList
from scenescope.widgets.assistant_message import MessageView
from scenescope.widgets.assistant_parts import plain_label
from scenescope.widgets.assistant_pictures import PictureLoader
from scenescope.widgets.assistant_style import panel_style
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.dialog_parts import dialog_button, in_words
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.theme import colours_of

__all__ = ["HistoryDialog", "HistoryStore"]

TYPING_MS = 200
MOST_SHOWN = 500
FORMATS = "Markdown (*.md);;JSON (*.json)"


class Kept(Protocol):
    """A conversation that is kept."""

    @property
    def id(self) -> int: ...
    @property
    def began_wall_s(self) -> float: ...
    @property
    def source(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def messages(self) -> int: ...


class Hit(Protocol):
    """A message that a search has found."""

    @property
    def conversation_id(self) -> int: ...
    @property
    def message(self) -> Message: ...


class HistoryStore(Protocol):
    """Where conversations are kept: ``EventLog.talk``. All of it is called on a thread."""

    def conversations(self) -> Sequence[Kept]:
        """All, the newest first."""
        ...

    def messages(self, conversation_id: int) -> Sequence[Message]:
        """Those of one, oldest first."""
        ...

    def search(self, text: str) -> Sequence[Hit]:
        """Messages with these words, the best first."""
        ...

    def delete(self, conversation_id: int) -> None:
        """Forget one."""
        ...

    def forget_all(self) -> None:
        """Forget all."""
        ...

    def export(self, path: Path, conversation_ids: Sequence[int] = ()) -> None:
        """Write them as JSON or Markdown, by the ending."""
        ...


class HistoryDialog(QDialog):
    """Beside the window, which goes on. What is forgotten one by one is gone when the dialog is closed.

    It closes itself when evidence is clicked, so that the picture can be seen and what is asked about it answered.

    Args:
        store: where conversations are kept.
        ask_path: asks the user for a file, given its suggested name; None when they want none.

    Signals:
        evidence_requested: the :class:`~scenescope.models.language.Evidence` that was clicked.
    """

    evidence_requested = Signal(object)
    forgot = Signal()

    def __init__(
        self,
        store: HistoryStore,
        ask_path: Callable[[str], Path | None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Earlier conversations")
        self.resize(860, 560)
        self._store = store
        self._ask_path = ask_path or self._ask_file
        self._kept: list[Kept] = []
        self._hits: dict[int, list[int]] | None = None
        self._forgotten: list[int] = []
        self._reader = EventReader("assistant history", self)
        self._loader = PictureLoader()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MS)
        self._soon.timeout.connect(self._search)
        self._build()
        self.setStyleSheet(panel_style(colours_of(self)))
        self._reader.ask("list", store.conversations, self._show_list, self._failed)

    def _build(self) -> None:
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search what was said")
        self.line.setAccessibleName("Search what was said")
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(self._typed)
        QShortcut(QKeySequence.StandardKey.Find, self, self.line.setFocus)
        self.notice = Banner()
        self.notice.pressed.connect(self._pressed)
        self.said = plain_label("Reading...")
        self.said.setObjectName("muted")
        self.list = QListWidget()
        self.list.setAccessibleName("Conversations")
        self.list.setWordWrap(True)
        self.list.setSpacing(3)
        self.list.currentItemChanged.connect(self._open)
        self.messages = MessageList()
        self.messages.setAccessibleName("Messages")
        left, split = QWidget(), QSplitter(Qt.Orientation.Horizontal)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.line, self.said, self.list):
            column.addWidget(part)
        split.addWidget(left)
        split.addWidget(self.messages)
        split.setSizes([320, 540])
        split.setChildrenCollapsible(False)
        self.export_one = dialog_button("&Export...", self._export_one, "Write this conversation to a file")
        self.export_all = dialog_button("Export &all...", self._export_all, "Write all conversations to a file")
        self.forget = dialog_button("&Forget", self._forget_one, "Forget this one; can be undone until you close this")
        self.forget_all = dialog_button("Forget a&ll...", self._ask_forget_all, "Forget all; you are asked first")
        close = dialog_button("Close", self.close, "Close this window (Esc)")
        buttons = QHBoxLayout()
        for button in (self.export_one, self.export_all, self.forget, self.forget_all):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(close)
        whole = QVBoxLayout(self)
        whole.addWidget(self.notice)
        whole.addWidget(split, 1)
        whole.addLayout(buttons)
        self._enable()

    # The list ----------------------------------------------------------------------------------------------------

    @property
    def current(self) -> int | None:
        """The number of the conversation that is read."""
        item = self.list.currentItem()
        number: int | None = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return number

    def _show_list(self, kept: Sequence[Kept]) -> None:
        self._kept = [one for one in kept if one.id not in self._forgotten]
        wanted = self.current
        shown = [one for one in self._kept if self._hits is None or one.id in self._hits]
        self.list.blockSignals(True)
        self.list.clear()
        for one in shown:
            began = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.began_wall_s))
            about = "  ·  ".join(
                filter(None, (began, one.source, f"{one.messages:,} message{'s' * (one.messages != 1)}"))
            )
            item = QListWidgetItem(f"{one.title}\n{about}")
            item.setData(Qt.ItemDataRole.UserRole, one.id)
            self.list.addItem(item)
        places = [place for place, one in enumerate(shown) if one.id == wanted]
        self.list.setCurrentRow(places[0] if places else min(0, len(shown) - 1))
        self.list.blockSignals(False)
        number = len(shown)
        many = f"{number:,} conversation{'s' * (number != 1)}"
        none = "Nothing was found. Try fewer words." if self._hits is not None else "No conversations are kept."
        self.said.setText(many if shown else none)
        self._open()

    @Slot()
    def _typed(self) -> None:
        self._soon.start()

    @Slot()
    def _search(self) -> None:
        text = self.line.text().strip()
        if text:
            self._reader.ask("search", partial(self._store.search, text), self._show_hits, self._failed)
        else:
            self._reader.cancel("search")
            self._hits = None
            self._show_list(self._kept)

    def _show_hits(self, hits: Sequence[Hit]) -> None:
        self._hits = {}
        for hit in hits:
            self._hits.setdefault(hit.conversation_id, []).append(hit.message.message_id)
        self._show_list(self._kept)

    # One conversation --------------------------------------------------------------------------------------------

    @Slot()
    def _open(self) -> None:
        self._enable()
        number = self.current
        if number is None:
            self._reader.cancel("read")
            self._show_messages(None, ())
            return
        work = partial(self._store.messages, number)
        self._reader.ask("read", work, partial(self._show_messages, number), self._failed)

    def _show_messages(self, number: int | None, messages: Sequence[Message]) -> None:
        self.messages.remove(list(self.messages.views))
        views = []
        for message in messages[-MOST_SHOWN:]:
            view = MessageView(message, self._loader)
            view.evidence_clicked.connect(self._go_to)
            views.append(view)
        self.messages.add(views)
        found = set((self._hits or {}).get(number, ())) if number is not None else set()
        for view in views:
            if view.message.message_id in found:
                self.messages.go_to(view)
                break

    @Slot(object)
    def _go_to(self, evidence: Evidence) -> None:
        self.close()
        self.evidence_requested.emit(evidence)

    def _enable(self) -> None:
        there = self.current is not None
        self.export_one.setEnabled(there)
        self.forget.setEnabled(there)
        self.export_all.setEnabled(bool(self._kept))
        self.forget_all.setEnabled(bool(self._kept))

    # Export ------------------------------------------------------------------------------------------------------

    def _ask_file(self, name: str) -> Path | None:
        path, chosen = QFileDialog.getSaveFileName(self, "Export conversations", name, FORMATS)
        if not path:
            return None
        suffix = ".json" if "json" in chosen else ".md"
        return Path(path) if Path(path).suffix else Path(path + suffix)

    def _export_one(self) -> None:
        if self.current is not None:
            self._export([self.current])

    def _export_all(self) -> None:
        self._export([one.id for one in self._kept])

    def _export(self, numbers: list[int]) -> None:
        path = self._ask_path("conversation.md" if len(numbers) == 1 else "conversations.md")
        if path is not None:
            work = partial(self._store.export, path, numbers)
            self._reader.ask("", work, lambda _: self._exported(path), self._failed)

    def _exported(self, path: Path) -> None:
        self.notice.say(Level.INFO, f"Saved {path.name}.", f"In {path.parent}", seconds=6)

    # Forgetting --------------------------------------------------------------------------------------------------

    def _forget_one(self) -> None:
        number = self.current
        if number is None:
            return
        self._forgotten.append(number)
        kept = self._kept
        self._show_list(kept)
        many = len(self._forgotten)
        words = f"{many} conversation{'s' * (many != 1)} will be forgotten when you close this window."
        self.notice.say(Level.INFO, words, button="Undo", word="undo")

    def _ask_forget_all(self) -> None:
        message = "Forget all conversations? This cannot be undone."
        self.notice.say(Level.WARNING, message, button="Forget all", word="all")

    @Slot(str)
    def _pressed(self, word: str) -> None:
        self.notice.hide()
        if word == "undo":
            self._forgotten.clear()
            self._reader.ask("list", self._store.conversations, self._show_list, self._failed)
        elif word == "all":
            self._forgotten.clear()
            self.forgot.emit()
            self._reader.ask("list", self._forget_everything, self._show_list, self._failed)

    def _forget_everything(self) -> Sequence[Kept]:
        self._store.forget_all()
        return ()

    def _failed(self, error: Exception) -> None:
        self.notice.say(Level.ERROR, "This did not work.", in_words(error))

    @override
    def done(self, result: int) -> None:
        if self._forgotten:
            self.forgot.emit()
        for number in self._forgotten:
            self._reader.ask("", partial(self._store.delete, number), lambda _: None, lambda _: None)
        self._forgotten.clear()
        self._soon.stop()
        self._reader.close(wait_s=0.0)
        self._loader.close()
        super().done(result)
