"""Card files: a card as TOML, as people edit it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from scenescope.models.cards import ModelCard, card_from
from scenescope.models.errors import ModelMissing

__all__ = ["CARD_FILE", "card_text", "read_card", "write_card", "write_whole"]

CARD_FILE = "card.toml"

# Where a card is says these two.
_LEFT_OUT = ("name", "folder")
_TABLES = ("input", "options")


def read_card(folder: Path) -> ModelCard:
    """The card in a folder, which gives it its name.

    Raises:
        ModelMissing: it is not there, or is damaged; the message says how.
    """
    path = folder / CARD_FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelMissing(
            f"The card of '{folder.name}' cannot be read: {error.strerror}.", hint=f"Look at {path}."
        ) from error
    except ValueError as error:
        raise ModelMissing(
            f"The card of '{folder.name}' is damaged: {error}.", hint=f"Mend {path}, or remove the model."
        ) from error
    return card_from(folder.name, content, folder=folder)


def write_card(card: ModelCard, folder: Path) -> None:
    """Put a card into a folder, in one step.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(folder / CARD_FILE, card_text(card))


def card_text(card: ModelCard) -> str:
    """A card as TOML, without what is empty."""
    values = {part.name: getattr(card, part.name) for part in fields(card) if part.name not in _LEFT_OUT}
    required = {
        "title",
        "summary",
        "task",
        "architecture",
        "runtime",
        "file",
        "sha256",
        "licence",
        "source",
        "upstream",
    }
    lines = [
        f"{name} = {_value(value)}"
        for name, value in values.items()
        if name not in _TABLES and (value or name in required)
    ]
    for name in _TABLES:
        if values[name]:
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in _present(values[name]))]
    return "\n".join(lines) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that a crash leaves the old or the new one whole.

    Raises:
        OSError: it cannot be written.
    """
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def _present(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Without None, for which TOML has no word."""
    return [(key, value) for key, value in table.items() if value is not None]


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(item)}" for key, item in _present(value)) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, int | float):
        return repr(value)
    # A JSON text is a TOML text, but for two characters: one that must be escaped, and halves of one, which cannot.
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
