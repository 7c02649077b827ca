"""What is asked before a network is downloaded, or trusted."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from scenescope.models.catalogue.offers import Offer, size_text
from scenescope.widgets.models_table import ModelRow

__all__ = ["AddressDialog", "ConsentDialog", "TrustDialog"]


class _Question(QDialog):
    """Facts, and a yes that has to be chosen: Enter alone does nothing."""

    def __init__(self, title: str, facts: list[tuple[str, str]], yes: str, no: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(460)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        form = QFormLayout()
        form.setVerticalSpacing(8)
        for name, words in facts:
            label = QLabel(words)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setAccessibleName(f"{name}: {words}")
            form.addRow(name, label)
        self.setAccessibleDescription(". ".join(f"{name}: {words}" for name, words in facts))
        self.yes = QPushButton(yes)
        self.no = QPushButton(no)
        # Not a QDialogButtonBox, which would make the yes what Enter does.
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        for button, act in ((self.yes, self.accept), (self.no, self.reject)):
            button.setAutoDefault(False)
            button.clicked.connect(act)
            buttons.addWidget(button)
        self.column = QVBoxLayout(self)
        self.column.setSpacing(14)
        self.column.addLayout(form)
        self.column.addLayout(buttons)
        self.no.setFocus()


class ConsentDialog(_Question):
    """Asks for consent to one offer: what, how much, licence, from where."""

    def __init__(self, offer: Offer, parent: QWidget | None = None) -> None:
        card = offer.card
        facts = [
            ("Network", card.title),
            ("Size", size_text(offer.size_bytes) if offer.size_bytes else "not known"),
            ("Licence", card.licence or "not known: look at the source before you use it"),
            ("From", f"{offer.host}\n{card.source}"),
        ]
        if offer.risk:
            facts.append(("Take care", f"{offer.risk}. It is not used before you say that you trust it."))
        super().__init__("Download?", facts, "Download", "Do not download", parent)
        self.offer = offer


class TrustDialog(_Question):
    """Asks whether a file that can run code may do so; the yes needs a tick first."""

    def __init__(self, row: ModelRow, parent: QWidget | None = None) -> None:
        assert row.card is not None
        facts = [
            ("File", row.card.file),
            ("From", row.card.source or "not known"),
            ("Why", f"{row.risk}."),
            ("SHA-256", row.card.sha256),
        ]
        super().__init__("Trust this file?", facts, "I trust this file", "Do not trust it", parent)
        self.known = QCheckBox("I know where it comes from")
        self.known.toggled.connect(self.yes.setEnabled)
        self.yes.setEnabled(False)
        self.column.insertWidget(1, self.known)


class AddressDialog(QDialog):
    """A hub id or the address of a file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Download from an address")
        self.setMinimumWidth(460)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.line = QLineEdit()
        self.line.setPlaceholderText("owner/name or https://...")
        self.line.setAccessibleName("Model hub id, or address of a file")
        self.line.textChanged.connect(self._check)
        note = QLabel("The server is asked for size and licence; nothing is downloaded before you agree.")
        note.setObjectName("muted")
        note.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.ask = buttons.addButton("Ask", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(QLabel("Id on the model hub, or address of a file:"))
        column.addWidget(self.line)
        column.addWidget(note)
        column.addWidget(buttons)
        self._check("")

    @property
    def text(self) -> str:
        """What was typed."""
        return self.line.text().strip()

    @Slot(str)
    def _check(self, _: str) -> None:
        self.ask.setEnabled("/" in self.text.strip("/"))
