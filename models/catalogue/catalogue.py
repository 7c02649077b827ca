"""Catalogue: cards by name, from the package and from the user's own folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

from scenescope.models.cards import ModelCard, bundled_cards, card_from
from scenescope.models.errors import ModelMissing

__all__ = ["Catalogue", "current", "use"]


class Catalogue:
    """All cards of this computer.

    Args:
        folder: the user's own cards and weights, one folder a model with ``card.toml`` in it; None for none.
        offline: True to never fetch anything.
    """

    def __init__(self, folder: Path | None = None, offline: bool = False) -> None:
        self.folder = folder
        self.offline = offline

    def cards(self, task: str = "") -> list[ModelCard]:
        """Every card, or those of a task, bundled ones first, then by name."""
        found = [*bundled_cards(), *self._own_cards()]
        return [card for card in found if not task or card.task == task]

    def card(self, name: str) -> ModelCard:
        """The card called ``name``.

        Raises:
            ModelMissing: there is none.
        """
        for card in self.cards():
            if card.name == name:
                return card
        raise ModelMissing(
            f"There is no model called '{name}'.", hint="'scenescope models list' shows those there are."
        )

    def _own_cards(self) -> list[ModelCard]:
        if self.folder is None or not self.folder.is_dir():
            return []
        found = []
        for path in sorted(self.folder.glob("*/card.toml")):
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            found.append(card_from(path.parent.name, content, folder=path.parent))
        return found


_current = Catalogue()


def current() -> Catalogue:
    """The catalogue that stages ask; only bundled networks until :func:`use` is called."""
    return _current


def use(catalogue: Catalogue) -> None:
    """Make ``catalogue`` the one that stages ask. Called once, when the app starts, and by tests."""
    global _current
    _current = catalogue
