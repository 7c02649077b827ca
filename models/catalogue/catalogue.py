"""Catalogue: cards by name, from the package and from the user's own folder."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from scenescope.models.cards import ModelCard, bundled_cards
from scenescope.models.catalogue.entries import entries
from scenescope.models.catalogue.offers import Cancel, Told
from scenescope.models.catalogue.store import Damaged, Store
from scenescope.models.errors import ModelError, ModelMissing

__all__ = ["Catalogue", "current", "use"]


class Catalogue:
    """All cards of this computer, and those of what could be fetched.

    Args:
        folder: the user's own cards and weights, one folder a model with ``card.toml`` in it; None for none.
        offline: True to never fetch anything.
    """

    def __init__(self, folder: Path | None = None, offline: bool = False) -> None:
        self.folder = folder
        self.offline = offline

    @property
    def store(self) -> Store:
        """The user's own models.

        Raises:
            ModelError: there is no folder for them.
        """
        if self.folder is None:
            raise ModelError("There is no folder to keep models in.")
        return Store(self.folder)

    def cards(self, task: str = "") -> list[ModelCard]:
        """Every card, or those of a task, bundled ones first, then by name."""
        found = [*bundled_cards(), *self._own()[0]]
        return [card for card in found if not task or card.task == task]

    def damaged(self) -> list[Damaged]:
        """The user's models whose cards cannot be used."""
        return self._own()[1]

    def available(self, task: str = "") -> list[ModelCard]:
        """What could be fetched and is not here, by name."""
        here = {known for card in self.cards() for known in (card.name, card.url)}
        found = [card for card in entries() if card.url not in here and card.name not in here]
        return sorted((card for card in found if not task or card.task == task), key=lambda card: card.name)

    def card(self, name: str) -> ModelCard:
        """The card called ``name``.

        Raises:
            ModelMissing: there is none; the hint says how to get it, if that is known.
        """
        found = self.cards()
        for card in found:
            if card.name == name:
                return card
        for broken in self.damaged():
            if broken.name == name:
                raise ModelMissing(broken.problem)
        if any(card.name == name for card in entries()):
            raise ModelMissing(
                f"The model '{name}' is not on this computer.",
                hint=f"Download it in the window's Models..., or with 'scenescope models get {name}'.",
            )
        near = difflib.get_close_matches(name, [card.name for card in (*found, *entries())], n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise ModelMissing(
            f"There is no model called '{name}'.", hint=f"{hint}'scenescope models list' shows those there are."
        )

    def add(
        self,
        path: Path,
        card: ModelCard,
        *,
        copy: bool = True,
        told: Told | None = None,
        cancel: Cancel | None = None,
    ) -> ModelCard:
        """Take a file or folder of the user's in: see :meth:`Store.add`. No name of a bundled model is given twice."""
        taken = [bundled.name for bundled in bundled_cards()]
        return self.store.add(path, card, copy=copy, taken=taken, told=told, cancel=cancel)

    def _own(self) -> tuple[list[ModelCard], list[Damaged]]:
        return ([], []) if self.folder is None else Store(self.folder).contents()


_current = Catalogue()


def current() -> Catalogue:
    """The catalogue that stages ask; only bundled networks until :func:`use` is called."""
    return _current


def use(catalogue: Catalogue) -> Callable[[], None]:
    """Make ``catalogue`` the one that stages ask. Called once, when the app starts, and by tests.

    Returns:
        A call that puts the one before back.
    """
    global _current
    before, _current = _current, catalogue

    def put_back() -> None:
        use(before)

    return put_back
