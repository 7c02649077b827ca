"""Everything that is known of the chosen network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtWidgets import QTextBrowser, QWidget

from scenescope.models.catalogue.offers import size_text
from scenescope.widgets.models_table import ModelRow

__all__ = ["ModelDetails"]


class ModelDetails(QTextBrowser):
    """A card for people; its text can be selected, its source opens in the browser."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenExternalLinks(True)
        self.setTabChangesFocus(True)
        self.setAccessibleName("About the chosen model")
        self.setMinimumWidth(240)
        self.setObjectName("card")
        self.document().setDocumentMargin(12)

    def show_row(self, row: ModelRow | None, used_by: Sequence[str]) -> None:
        """Show a network, and the stages that use it."""
        if row is None:
            self.setHtml("<p>Choose a model to read about it.</p>")
            return
        parts = [f"<h3>{escape(row.card.title if row.card else row.name)}</h3>"]
        if row.card is not None:
            parts.append(f"<p>{escape(row.card.summary)}</p>")
        parts += [f"<p><b>! {escape(problem)}</b></p>" for problem in self._problems(row)]
        cells = "".join(
            f"<tr><td style='padding-right:10px'>{escape(name)}</td><td>{words}</td></tr>"
            for name, words in self._facts(row, used_by)
            if words
        )
        self.setHtml("".join(parts) + f"<table cellspacing='3'>{cells}</table>")

    @staticmethod
    def _problems(row: ModelRow) -> list[str]:
        problems = []
        if row.damaged is not None:
            problems.append(row.damaged.problem)
        if row.risk:
            trusted = "You trust this very file." if row.trusted else "It is not opened before you trust it."
            problems.append(f"{row.risk}. {trusted}")
        if row.missing:
            problems.append(f"To use it, install its library first: {row.missing}")
        return problems

    @staticmethod
    def _facts(row: ModelRow, used_by: Sequence[str]) -> list[tuple[str, str]]:
        card = row.card
        if card is None:
            return [("Folder", escape(str(row.damaged.folder)) if row.damaged else "")]
        link = card.source.split(" ")[0]
        source = escape(card.source)
        if link.startswith("https://"):
            source = source.replace(escape(link), f"<a href='{escape(link, quote=True)}'>{escape(link)}</a>", 1)
        return [
            ("Name", escape(row.name)),
            ("Task", escape(card.task)),
            ("Licence", escape(card.licence or "not known")),
            ("Size", size_text(row.size_bytes) if row.size_bytes else ""),
            ("Runtime", escape(card.runtime)),
            ("Architecture", escape(card.architecture)),
            ("Classes", str(len(card.labels)) if card.labels else ""),
            ("Made by", escape(card.upstream)),
            ("Source", source),
            ("SHA-256", escape(card.sha256)),
            ("File", escape(str(card.path)) if row.here else ""),
            ("Used by", escape(", ".join(used_by)) if row.here else ""),
        ]
