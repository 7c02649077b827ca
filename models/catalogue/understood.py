"""A file that was fetched and of which nobody has told what it is: guessed, as if the user had added it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.catalogue import Catalogue

if TYPE_CHECKING:
    from scenescope.models.catalogue.guess import Guess

__all__ = ["understood"]

# What is known better than by guessing.
_KEPT = ("name", "file", "sha256", "licence", "source", "upstream", "origin", "folder", "url")


def understood(catalogue: Catalogue, card: ModelCard) -> tuple[ModelCard, Guess | None]:
    """The card with its gaps filled, kept; and the guess, None when there was nothing to guess.

    A guess with a ``problem`` changes nothing.

    Args:
        catalogue: that has the card.
        card: of a model that is here.

    Raises:
        ModelError: the card cannot be kept.
    """
    if card.task and card.runtime:
        return card, None
    from scenescope.models.catalogue.guess import guess

    found = guess(card.path)
    if found.problem:
        return card, found
    kept = {part: getattr(card, part) for part in _KEPT if getattr(card, part)}
    return catalogue.store.update(replace(found.card, **kept)), found
