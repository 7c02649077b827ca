"""The user's own models on disk: one folder a model, with its card and its weights.

::

    models/
    |-- yolo11n/card.toml, yolo11n.pt
    |-- trusted.json        hashes of what may run code
    |-- .downloads/         what is on its way, or was interrupted
    |-- .adding/            what is being copied
    `-- .trash/             what was removed a moment ago

A model's folder comes into being in one step, by a rename, so that none is ever half there.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from scenescope.models.cards import ModelCard, fingerprint
from scenescope.models.catalogue.card_file import CARD_FILE, read_card, write_card
from scenescope.models.catalogue.offers import Cancel, DownloadCancelled, Progress, Told, size_text
from scenescope.models.errors import ModelError, ModelMissing

__all__ = ["DOWNLOADS", "Damaged", "Removed", "Store", "require_space", "tidy_name"]

DOWNLOADS = ".downloads"
ADDING = ".adding"
TRASH = ".trash"

SPARE_BYTES = 32_000_000
"""Room that is left on the disk, for everybody else."""

BLOCK_BYTES = 1 << 20

# Names of devices, which Windows keeps from files.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class Damaged:
    """A folder whose card cannot be used."""

    name: str
    problem: str
    folder: Path


@dataclass(frozen=True)
class Removed:
    """A model that can still be brought back."""

    name: str
    folder: Path


class Store:
    """Adds and removes models.

    Args:
        folder: where they live; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # What there is -----------------------------------------------------------------------------------------------

    def contents(self) -> tuple[list[ModelCard], list[Damaged]]:
        """The cards by name, and the folders whose card cannot be used."""
        cards: list[ModelCard] = []
        damaged: list[Damaged] = []
        for folder in self._folders():
            try:
                cards.append(read_card(folder))
            except ModelMissing as error:
                damaged.append(Damaged(folder.name, str(error), folder))
        return cards, damaged

    def same(self, sha256: str) -> ModelCard | None:
        """The model with these weights; None when there is none."""
        return next((card for card in self.contents()[0] if sha256 and card.sha256 == sha256), None)

    def free_name(self, wished: str, taken: Iterable[str] = ()) -> str:
        """A name for a folder that nobody has: ``wished`` made tidy, with a number behind it if need be."""
        tidy = tidy_name(wished)
        used = {name.casefold() for name in (*taken, *(folder.name for folder in self._folders()))}
        names = (tidy, *(f"{tidy}-{number}" for number in range(2, 10_000)))
        return next(name for name in names if name.casefold() not in used)

    # Changes -----------------------------------------------------------------------------------------------------

    def add(
        self,
        path: Path,
        card: ModelCard,
        *,
        copy: bool = True,
        taken: Iterable[str] = (),
        told: Told | None = None,
        cancel: Cancel | None = None,
    ) -> ModelCard:
        """Take a file or folder in, and keep its card with the hash of what was taken.

        Weights that are there already are not taken twice: their card is replaced.

        Args:
            path: of the weights.
            card: what is known of them; ``name`` is what they shall be called.
            copy: False to leave them where they are, and to look for them there.
            taken: names that may not be used.
            told: called while a large file is copied.
            cancel: ends that.

        Returns:
            The card as it is kept: its name may have got a number.

        Raises:
            ModelMissing: there is no such file.
            ModelError: it cannot be copied or kept: no room, no permission.
            DownloadCancelled: it was cancelled.
        """
        path = path.absolute()
        try:
            if self.folder.absolute() in path.parents and copy:
                raise ModelError(f"{path.name} lies in the folder of models already.", hint="Add the original file.")
            sha256 = fingerprint(path)
            if (known := self.same(sha256)) is not None:
                return self.update(replace(card, name=known.name, file=known.file, sha256=sha256, origin=known.origin))
            name = self.free_name(card.name or path.stem, taken)
            scratch = self.folder / ADDING / uuid4().hex
            scratch.mkdir(parents=True)
            try:
                file = path.name if copy else str(path)
                if copy:
                    require_space(self.folder, _size(path))
                    _copy(path, scratch / file, told, cancel)
                kept = replace(card, name=name, file=file, sha256=sha256, origin="local", folder=scratch)
                return self.adopt(kept)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        except FileNotFoundError as error:
            raise ModelMissing(f"{path} is not there.", hint="Choose another file.") from error
        except OSError as error:
            raise disk_failure(error, self.folder) from error

    def adopt(self, card: ModelCard) -> ModelCard:
        """Make a folder that holds the weights, ``card.folder``, the folder of the model ``card.name``.

        Raises:
            OSError: it cannot be moved there.
        """
        assert card.folder is not None
        write_card(card, card.folder)
        target = self.folder / card.name
        card.folder.rename(target)
        return replace(card, folder=target)

    def update(self, card: ModelCard) -> ModelCard:
        """Replace the card of a model that is here.

        Raises:
            ModelMissing: there is no such model.
            ModelError: it cannot be written.
        """
        folder = self.folder / card.name
        if not folder.is_dir():
            raise ModelMissing(f"There is no model called '{card.name}' to change.")
        try:
            write_card(card, folder)
        except OSError as error:
            raise disk_failure(error, self.folder) from error
        return replace(card, folder=folder)

    def remove(self, name: str) -> Removed:
        """Take a model away, to be brought back by :meth:`restore` until :meth:`purge` is called.

        Raises:
            ModelMissing: there is no such model of the user's.
            ModelError: its folder cannot be moved.
        """
        folder = next((one for one in self._folders() if one.name == name), None)
        if folder is None:
            raise ModelMissing(f"There is no model of yours called '{name}'.", hint="Bundled ones cannot be removed.")
        aside = self.folder / TRASH / f"{name}-{uuid4().hex[:8]}"
        try:
            aside.parent.mkdir(exist_ok=True)
            folder.rename(aside)
        except OSError as error:
            raise disk_failure(error, self.folder) from error
        return Removed(name, aside)

    def restore(self, removed: Removed) -> str:
        """Bring a model back; its name, which is another one if somebody has taken the old one since.

        Raises:
            ModelError: it is gone for good, or cannot be moved.
        """
        name = self.free_name(removed.name)
        try:
            removed.folder.rename(self.folder / name)
        except OSError as error:
            raise disk_failure(error, self.folder) from error
        return name

    def purge(self) -> None:
        """Delete for good what was removed, and what was left behind by a crash while it was copied."""
        shutil.rmtree(self.folder / TRASH, ignore_errors=True)
        shutil.rmtree(self.folder / ADDING, ignore_errors=True)

    def _folders(self) -> list[Path]:
        """Of the models; a folder without a card is nobody's."""
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if not path.name.startswith("."))
        return sorted(path for path in found if (path / CARD_FILE).is_file())


def tidy_name(wished: str) -> str:
    """A name that every file system takes: letters, digits, ".", "-" and "_", 64 at most."""
    tidy = re.sub(r"[^A-Za-z0-9._-]+", "_", wished).strip("._-")[:64].rstrip("._-")
    if not tidy or tidy.partition(".")[0].casefold() in _RESERVED:
        tidy = f"model_{tidy}".rstrip("_")
    return tidy


def require_space(folder: Path, needed_bytes: int) -> None:
    """Go on only if so much fits on the disk of ``folder``, which need not be there yet.

    Raises:
        ModelError: it does not.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed_bytes + SPARE_BYTES > free:
        raise ModelError(
            f"There is not enough room: {size_text(needed_bytes)} are needed, {size_text(free)} are free in {folder}.",
            hint="Delete something there, or let SCENESCOPE_DATA_DIR name a folder on another disk.",
            permanent=False,
        )


def disk_failure(error: OSError, folder: Path) -> ModelError:
    """What went wrong on the disk, in words."""
    hint = "Look at its permissions, or let SCENESCOPE_DATA_DIR name another folder."
    return ModelError(f"Nothing can be kept in {folder}: {error.strerror or error}.", hint=hint, permanent=False)


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in _parts(path))


def _parts(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (part for part in sorted(path.rglob("*")) if part.is_file())
    else:
        yield path


def _copy(source: Path, target: Path, told: Told | None, cancel: Cancel | None) -> None:
    """Copy a file or a folder, block by block."""
    whole, done, began_s = _size(source), 0, time.monotonic()
    for part in _parts(source):
        to = target / part.relative_to(source) if source.is_dir() else target
        to.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb") as reading, to.open("xb") as writing:
            while block := reading.read(BLOCK_BYTES):
                if cancel is not None and cancel.cancelled:
                    raise DownloadCancelled(f"{source.name} was not added.")
                writing.write(block)
                done += len(block)
                if told is not None:
                    told(Progress(done, whole, done / max(time.monotonic() - began_s, 1e-3), part.name))
