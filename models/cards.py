"""Model cards: what a bundled network is, where it comes from, and the hash by which it is known."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from scenescope.models.errors import ModelMissing

__all__ = ["ModelCard", "bundled_cards", "checked_file", "load_card"]

_FOLDER = "scenescope.resources"


@dataclass(frozen=True)
class ModelCard:
    """What is known of a network before it is loaded.

    Attributes:
        name: the file's name without its ending, by which stages ask for it.
        title, summary: for people.
        task: "detection", "pose", ...
        architecture, runtime: which decoder and which library run it.
        file: name of the weights beside the card.
        sha256: of the weights, in hex.
        licence: SPDX expression.
        source: where the weights were taken from.
        upstream: who made the network.
        input: layout, size, colour order and normalisation, as the decoder's options.
        labels: class names in the order of the network's outputs.
    """

    name: str
    title: str
    summary: str
    task: str
    architecture: str
    runtime: str
    file: str
    sha256: str
    licence: str
    source: str
    upstream: str
    input: dict[str, Any]
    labels: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Size of the weights; 0 when they are missing."""
        weights = files(_FOLDER).joinpath("models", self.file)
        try:
            with as_file(weights) as path:
                return path.stat().st_size
        except OSError:
            return 0


def bundled_cards() -> list[ModelCard]:
    """The cards of all networks that come with Scenescope, by name."""
    folder = files(_FOLDER).joinpath("models")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return [load_card(name.removesuffix(".toml")) for name in names]


def load_card(name: str) -> ModelCard:
    """The card of a bundled network.

    Raises:
        ModelMissing: there is no such card.
    """
    card = files(_FOLDER).joinpath("models", f"{name}.toml")
    try:
        content = tomllib.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelMissing(
            f"There is no model called '{name}'.", hint="'scenescope models list' shows those there are."
        ) from error
    labels = content.pop("labels", [])
    return ModelCard(name=name, labels=tuple(labels), **content)


def checked_file(card: ModelCard) -> Path:
    """Path of the weights, after comparing their hash with the card's.

    Raises:
        ModelMissing: the file is not there, or is not the one that the card describes.
    """
    with as_file(files(_FOLDER).joinpath("models", card.file)) as path:
        try:
            with path.open("rb") as weights:
                found = hashlib.file_digest(weights, "sha256").hexdigest()
        except OSError as error:
            raise ModelMissing(
                f"The weights of {card.title} ({card.file}) are missing.", hint="Install Scenescope again."
            ) from error
    if found != card.sha256:
        raise ModelMissing(
            f"{card.file} is not the file that its card describes (sha256 {found[:12]}..., not {card.sha256[:12]}...).",
            hint="It was changed or damaged: install Scenescope again.",
        )
    return path
