"""What leaves this computer: the question before the first picture goes to a host, and the list of all that went."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models.catalogue.offers import size_text
from scenescope.models.language import Picture, Reach, media_time
from scenescope.widgets.assistant_badge import reach_sign
from scenescope.widgets.assistant_parts import plain_label, sign
from scenescope.widgets.assistant_pictures import PictureView
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.dialog_parts import dialog_button, in_words, row_table
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.theme import colours_of

__all__ = ["ConsentDialog", "EgressDialog", "as_csv"]

COLUMNS = ("Time", "Host", "Reach", "Pictures", "Size", "For")
WORDS_PX = 320
MOST_SHOWN = 1000
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
SENT = (
    "Pictures of what is shown, at most 512 pixels wide or high, with faces blurred and without the data that cameras "
    "put into files; what was read and seen in pictures, as words; and your words about them."
)
NOT_ENCRYPTED = "It is not encrypted: whoever is on the way can read it"


class SentRow(Protocol):
    """One sending, as the event log keeps it."""

    @property
    def wall_s(self) -> float: ...
    @property
    def host(self) -> str: ...
    @property
    def reach(self) -> str: ...
    @property
    def pictures(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def purpose(self) -> str: ...


class SentTotal(Protocol):
    """How much was sent in all."""

    @property
    def sendings(self) -> int: ...
    @property
    def pictures(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class SentLog(Protocol):
    """What was sent, as the event log keeps it. All methods may wait for the disk."""

    def egress(self, limit: int) -> Sequence[SentRow]:
        """The newest first, at most so many."""

    def all_egress(self) -> Iterable[SentRow]:
        """All of it, the newest first."""

    def egress_total(self) -> SentTotal:
        """How much it is."""

    def clear_egress(self) -> None:
        """Forget it, and wait until that is done."""


class ConsentDialog(QDialog):
    """Asks before the first picture goes to a host. Enter alone sends nothing; closing it means no.

    Args:
        host: that pictures would go to.
        reach: how far away it is.
        picture: what would be sent, as it would be sent: blurred and made small.
        readable: it is not encrypted, so that whoever is on the way can read it.
        change: what is no longer as it was when the user agreed to this host before.
    """

    def __init__(
        self,
        host: str,
        reach: Reach,
        picture: Picture | None = None,
        parent: QWidget | None = None,
        *,
        readable: bool = False,
        change: str = "",
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Send pictures?")
        self.setMinimumWidth(420)
        self.host = host
        how_far = f"{reach.value}. {NOT_ENCRYPTED}" if readable else reach.value
        mark, where = QLabel(), plain_label(how_far)
        name, ink = reach_sign(reach, colours_of(self))
        mark.setPixmap(sign(name, ink, self, 18))
        place = QHBoxLayout()
        place.addWidget(mark)
        place.addWidget(where, 1)
        form = QFormLayout()
        form.setVerticalSpacing(8)
        form.addRow("Host", plain_label(host))
        form.addRow("Where", place)
        if change:
            form.addRow("Changed", plain_label(change))
        form.addRow("Sent", plain_label(SENT))
        form.addRow(
            "", plain_label("You can take this back in the assistant's settings, and pause sending at any time.")
        )
        self.setAccessibleDescription(" ".join(filter(None, (f"Host: {host}. {how_far}.", change, f"Sent: {SENT}"))))
        self.yes, self.no = QPushButton("&Send to this host"), QPushButton("&Do not send")
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        for button, act in ((self.yes, self.accept), (self.no, self.reject)):
            button.setAutoDefault(False)
            button.clicked.connect(act)
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setSpacing(12)
        column.addLayout(form)
        for label in self.findChildren(QLabel):
            if label.wordWrap():
                # A form gives wrapped words the height that they have at their least width.
                label.setMinimumWidth(WORDS_PX)
        self.preview = PictureView(self)
        self.preview.setAccessibleName("What would be sent")
        if picture is not None:
            column.addWidget(self.preview, 1)
            self.preview.show_picture(picture)
        column.addLayout(buttons)
        self.no.setFocus()

    @override
    def done(self, result: int) -> None:
        self.preview.close_loader()
        super().done(result)


def as_csv(rows: Iterable[SentRow]) -> str:
    """The table as CSV (RFC 4180), times in UTC (ISO 8601). A cell never begins as a formula of a spreadsheet does."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("time_utc", "host", "reach", "pictures", "bytes", "purpose"))
    for row in rows:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.wall_s))
        words = [f"'{cell}" if cell.startswith(FORMULAS) else cell for cell in (row.host, row.purpose)]
        writer.writerow((at, words[0], row.reach, row.pictures, row.bytes, words[1]))
    return text.getvalue()


class EgressDialog(QDialog):
    """The last picture that was sent, and the latest sendings, the newest first; as CSV all of them.

    Args:
        sent: what was sent; read on a thread.
        last_picture: what was sent last, since the app was started; None for nothing.
    """

    def __init__(
        self,
        sent: SentLog,
        last_picture: Callable[[], Picture | None] = lambda: None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("What was sent")
        self.resize(720, 520)
        self._sent, self._last_picture = sent, last_picture
        self._reader = EventReader("assistant egress", self)
        self.notice = Banner()
        self.notice.pressed.connect(self._really_clear)
        self.preview = PictureView(self)
        self.preview.setAccessibleName("The last picture that was sent")
        self.preview.setMaximumHeight(200)
        self.caption = plain_label()
        self.said = plain_label("Reading...")
        self.table = row_table("What was sent", COLUMNS)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.copy = dialog_button(
            "Cop&y as CSV", self._copy, "Put all that was sent on the clipboard, also what is not shown"
        )
        self.clear = dialog_button("&Clear...", self._ask_clear, "Forget what was sent; you are asked first")
        refresh = dialog_button("&Refresh", self.refresh, "Read it again (F5)")
        QShortcut(QKeySequence.StandardKey.Refresh, self, self.refresh)
        close = dialog_button("Close", self.close, "Close this window (Esc)")
        buttons = QHBoxLayout()
        for button in (self.copy, self.clear, refresh):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(close)
        column = QVBoxLayout(self)
        for part in (self.notice, self.caption, self.preview, self.said):
            column.addWidget(part)
        column.addWidget(self.table, 1)
        column.addLayout(buttons)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Read what was sent."""
        picture = self._last_picture()
        self.preview.setVisible(picture is not None)
        if picture is not None:
            self.preview.show_picture(picture)
            width, height = picture.size_wh
            at, size = media_time(picture.pts_s), size_text(len(picture.jpeg))
            self.caption.setText(f"The last picture that was sent: {at}, {width} x {height}, {size}")
        else:
            self.caption.setText("No picture was sent since Scenescope was started.")
        self._reader.ask("read", self._read, self._show, self._failed)

    def _read(self) -> tuple[Sequence[SentRow], SentTotal]:
        return self._sent.egress(MOST_SHOWN), self._sent.egress_total()

    def _forget(self) -> tuple[Sequence[SentRow], SentTotal]:
        self._sent.clear_egress()
        return self._read()

    def _show(self, read: tuple[Sequence[SentRow], SentTotal]) -> None:
        rows, total = read
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.wall_s))
            cells = (at, row.host, row.reach, f"{row.pictures:,}", size_text(row.bytes), row.purpose)
            for place, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{COLUMNS[place]}: {text}")
                self.table.setItem(number, place, item)
        many = f"{total.pictures:,} picture{'s' * (total.pictures != 1)}"
        many += f" in {total.sendings:,} sending{'s' * (total.sendings != 1)}, {size_text(total.bytes)}"
        shown = f". Shown are the newest {len(rows):,} of {total.sendings:,}." if len(rows) < total.sendings else ""
        self.said.setText(f"{many}{shown}" if total.sendings else "Nothing was sent.")
        self.copy.setEnabled(bool(total.sendings))
        self.clear.setEnabled(bool(total.sendings))

    def _failed(self, error: Exception) -> None:
        self.said.setText("")
        self.notice.say(Level.ERROR, "What was sent cannot be read.", in_words(error))

    def _copy(self) -> None:
        self._reader.ask("copy", lambda: as_csv(self._sent.all_egress()), self._copied, self._failed)

    def _copied(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.notice.say(Level.INFO, "All that was sent is on the clipboard.", seconds=4)

    def _ask_clear(self) -> None:
        message = "Forget what was sent? This cannot be undone."
        self.notice.say(Level.WARNING, message, button="Forget it", word="clear")

    @Slot(str)
    def _really_clear(self, word: str) -> None:
        self.notice.hide()
        if word == "clear":
            # Read again on the same thread, so that what is shown is what is kept.
            self._reader.ask("read", self._forget, self._show, self._failed)

    @override
    def done(self, result: int) -> None:
        self._reader.close(wait_s=0.0)
        self.preview.close_loader()
        super().done(result)
