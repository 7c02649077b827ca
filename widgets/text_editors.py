"""Editors for parameters that are typed: text, names, and whatever else YAML can say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from PySide6.QtCore import QStringListModel, Qt, Slot
from PySide6.QtWidgets import QCompleter, QFileDialog, QLineEdit, QPushButton, QWidget
from typing_extensions import override

from scenescope.widgets.field_editor import FieldEditor
from scenescope.widgets.param_fields import ParamField

__all__ = ["FileEditor", "NamesEditor", "TextEditor", "YamlEditor"]


class TextEditor(FieldEditor):
    """A line of text, taken when Enter is pressed or the focus leaves."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.line = QLineEdit()
        self.line.editingFinished.connect(self._finished)
        self._dress(self.line, 1)

    @override
    def show_value(self, value: Any) -> None:
        if not (self.line.hasFocus() and self.line.isModified()):
            self.line.setText(self.to_text(value))

    def to_text(self, value: Any) -> str:
        """How a value is written."""
        return "" if value is None else str(value)

    def from_text(self, text: str) -> Any:
        """What was written; raises ``ValueError`` with a sentence when it means nothing."""
        return text

    @Slot()
    def _finished(self) -> None:
        if not self.line.isModified():
            return
        self.line.setModified(False)
        self.edited.emit(self.from_text(self.line.text()), None)


class NamesEditor(TextEditor):
    """Names with commas between them, completed from what is known."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.line.setPlaceholderText("all" if "all" in field.description.lower() else "name, name, ...")
        self._known = QStringListModel(self)
        self._completer = QCompleter(self._known, self)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self._completer.setWidget(self.line)
        self._completer.activated.connect(self._complete)
        self.line.textEdited.connect(self._suggest)

    def suggest_from(self, names: Sequence[str]) -> None:
        """Complete from these names."""
        if self._known.stringList() != list(names):
            self._known.setStringList(list(names))

    @override
    def to_text(self, value: Any) -> str:
        return ", ".join(value or ())

    @override
    def from_text(self, text: str) -> Any:
        return list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))

    def _last_word(self) -> tuple[int, str]:
        before = self.line.text()[: self.line.cursorPosition()]
        start = before.rfind(",") + 1
        start += len(before[start:]) - len(before[start:].lstrip())
        return start, before[start:]

    @Slot()
    def _suggest(self) -> None:
        _, word = self._last_word()
        self._completer.setCompletionPrefix(word)
        if word and self._completer.completionCount():
            self._completer.complete()
        else:
            self._hide_suggestions()

    def _hide_suggestions(self) -> None:
        if (popup := self._completer.popup()) is not None:
            popup.hide()

    @Slot(str)
    def _complete(self, name: str) -> None:
        start, word = self._last_word()
        text = self.line.text()
        self.line.setText(f"{text[:start]}{name}{text[start + len(word) :]}")
        self.line.setCursorPosition(start + len(name))
        self.line.setModified(True)


class FileEditor(TextEditor):
    """A path, typed or chosen in a dialog."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.line.setPlaceholderText("none")
        self.browse = QPushButton("Browse...")
        self.browse.setAccessibleName(f"Choose a file for {field.title}")
        self.browse.clicked.connect(self._browse)
        self._dress(self.browse)

    @Slot()
    def _browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self.field.title, self.line.text())
        if path:
            self.line.setText(path)
            self.edited.emit(path, None)


class YamlEditor(TextEditor):
    """Any other value, written as a line of YAML; the declaration says whether it is valid."""

    @override
    def to_text(self, value: Any) -> str:
        text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
        return text.removesuffix("\n").removesuffix("...").strip()

    @override
    def from_text(self, text: str) -> Any:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text
