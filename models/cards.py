"""Model cards: what a network is, where it comes from, and the hash by which it is known."""

from __future__ import annotations

import hashlib
import time
import tomllib
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

from scenescope.models.errors import ModelMissing

__all__ = ["ModelCard", "Origin", "bundled_cards", "card_from", "checked_file", "fingerprint", "load_card"]

Origin = Literal["bundled", "local", "downloaded"]

_FOLDER = "scenescope.resources"
_SETTLED_AFTER_S = 2.0
_KINDS: dict[str, type] = {"str": str, "int": int, "dict[str, Any]": dict}


@dataclass(frozen=True)
class ModelCard:
    """What is known of a network before it is loaded.

    Attributes:
        name: by which stages ask for it; unique on this computer.
        title, summary: for people.
        task: "detection", "pose", ...
        architecture, runtime: which decoder and which library run it.
        file: name of the weights, a file or a folder, in ``folder``; for a network that a library fetches by itself,
            the name or hub id that it knows.
        sha256: of the weights, in hex; of a folder as :func:`fingerprint` says. Empty where nobody has published one.
        licence: SPDX expression, or what the publisher calls it; empty when unknown.
        source: where the weights were taken from.
        upstream: who made the network.
        input: as :class:`~scenescope.models.vision.inputs.InputSpec` takes it; empty where a library prepares it.
        labels: class names in the order of the network's outputs.
        options: what the decoder and the runtime need to know beyond that.
        origin: "bundled" with Scenescope, "local" for a file of the user's, "downloaded" from elsewhere.
        folder: where the file lies; None for a bundled one.
        download_size_bytes: about what fetching it costs; 0 when it is here, or when it is not known.
        url: where it can be fetched: the address of its file, or ``hf://owner/name`` for a folder of a model hub.
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
    input: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    origin: Origin = "bundled"
    folder: Path | None = None
    download_size_bytes: int = 0
    url: str = ""

    @property
    def path(self) -> Path:
        """Of the weights, whether they are there or not."""
        if self.folder is not None:
            return self.folder / self.file
        with as_file(files(_FOLDER).joinpath("models", self.file)) as path:
            return path

    @property
    def size_bytes(self) -> int:
        """Size of the weights on this computer; 0 when they are missing."""
        path = self.path
        try:
            if path.is_dir():
                return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
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
    return card_from(name, content)


def card_from(name: str, content: dict[str, Any], **changes: Any) -> ModelCard:
    """A card from what its file holds.

    Raises:
        ModelMissing: an entry is missing or unknown; the message names it.
    """
    content = dict(content)
    labels = content.pop("labels", [])
    try:
        if not isinstance(labels, list | tuple):
            raise TypeError("'labels' is no list")
        card = replace(ModelCard(name=name, labels=tuple(labels), **content), **changes)
        for part in fields(ModelCard):
            kind = _KINDS.get(str(part.type), object)
            if not isinstance(getattr(card, part.name), kind):
                raise TypeError(f"'{part.name}' is no {kind.__name__}")
        return card
    except TypeError as error:
        raise ModelMissing(
            f"The card of '{name}' cannot be used: {str(error).removeprefix('ModelCard.__init__() ')}.",
            hint="Remove the model and add it again.",
        ) from error


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, in hex; of a folder, that of the sorted lines ``<sha256>  <path in the folder>``.

    What was read once is not read again as long as the file system says that it is the same.

    Raises:
        OSError: it cannot be read.
    """
    if path.is_dir():
        parts = sorted(part for part in path.rglob("*") if part.is_file())
        lines = [f"{fingerprint(part)}  {part.relative_to(path).as_posix()}\n" for part in parts]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    about = path.stat()
    # A file that was changed just now may be changed again without its times telling so.
    if time.time() - max(about.st_mtime, about.st_ctime) < _SETTLED_AFTER_S:
        return _sha256(path)
    return _known_sha256(path, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)


def _sha256(path: Path) -> str:
    with path.open("rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()


@lru_cache(maxsize=1024)
def _known_sha256(path: Path, *_: int) -> str:
    return _sha256(path)


def checked_file(card: ModelCard) -> Path:
    """Path of the weights, after comparing their hash with the card's.

    Raises:
        ModelMissing: the file is not there, or is not the one that the card describes.
    """
    again = "Install Scenescope again." if card.origin == "bundled" else "Remove the model and add it again."
    path = card.path
    try:
        found = fingerprint(path)
    except OSError as error:
        raise ModelMissing(f"The weights of {card.title} ({card.file}) are missing.", hint=again) from error
    if card.sha256 and found != card.sha256:
        raise ModelMissing(
            f"{card.file} is not the file that its card describes (sha256 {found[:12]}..., not {card.sha256[:12]}...).",
            hint=f"It was changed or damaged: {again[:1].lower()}{again[1:]}",
        )
    return path
