"""Downloader: fetches models that the user has agreed to, and puts them into the catalogue."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from scenescope.models.cards import ModelCard, bundled_cards, fingerprint
from scenescope.models.catalogue.catalogue import Catalogue
from scenescope.models.catalogue.entries import HUB_SCHEME, card_of_address, hub_id, known_name
from scenescope.models.catalogue.hub import hub_card, hub_offer, listing_url
from scenescope.models.catalogue.offers import Cancel, Consent, DownloadCancelled, Offer, RemoteFile, Told
from scenescope.models.catalogue.risk import risk_of_name
from scenescope.models.catalogue.store import DOWNLOADS, disk_failure, require_space, tidy_name
from scenescope.models.catalogue.transfer import (
    Meter,
    answered,
    check_content,
    connection_failure,
    disk_full,
    fetch_file,
    make_client,
    status_failure,
)
from scenescope.models.errors import DownloadFailed, ModelError, ModelMissing, ModelRefused

__all__ = ["HUB", "Downloader", "Interrupted"]

HUB = "https://huggingface.co"
STALL_S = 30.0

_OFFER = "offer.json"
_VALIDATORS = "validators.json"
_LOCK = "lock"

Result = TypeVar("Result")

_busy: set[Path] = set()
_busy_lock = threading.Lock()


@dataclass(frozen=True)
class Interrupted:
    """A download that was agreed to and has not ended: it goes on by fetching the same consent again."""

    consent: Consent
    done_bytes: int
    folder: Path

    @property
    def card(self) -> ModelCard:
        """Of the model."""
        return self.consent.offer.card


class Downloader:
    """Asks servers what they have, and fetches it once the user has agreed.

    Calls block, and may come from any thread; each can be ended by its :class:`Cancel`. Offline, none opens a socket.

    Args:
        catalogue: where models go; tells whether this computer is offline.
        endpoint: address of the model hub.
        stall_s: a connection that is silent for so long is given up.
    """

    def __init__(self, catalogue: Catalogue, endpoint: str = HUB, stall_s: float = STALL_S) -> None:
        self.catalogue = catalogue
        self.endpoint = endpoint.rstrip("/")
        self.stall_s = stall_s

    def look_up(self, wanted: str | ModelCard, cancel: Cancel | None = None) -> Offer:
        """Ask the server what a model is made of: files, sizes, licence. Nothing is fetched.

        Args:
            wanted: a card of :meth:`Catalogue.available`, its name, a hub id or the address of a file.
            cancel: ends it.

        Raises:
            ModelMissing: nothing is called so.
            DownloadFailed: the server does not have it, or cannot be asked.
        """
        card = self._card(wanted) if isinstance(wanted, str) else wanted
        self._check_online()
        return self._run(self._offer(card), cancel)

    def fetch(self, consent: Consent, told: Told | None = None, cancel: Cancel | None = None) -> ModelCard:
        """Fetch what the user has agreed to, going on where an earlier try has ended.

        Args:
            consent: the offer that was shown, and agreed to.
            told: called at every block, from this thread.
            cancel: ends it; what has arrived is kept.

        Returns:
            The card of the model, now of the catalogue; its task and runtime are empty where nobody has told them.

        Raises:
            ModelRefused: there is no consent.
            DownloadFailed: see there.
            DownloadCancelled: it was cancelled.
            ModelError: the disk is full, or may not be written to.
        """
        if not isinstance(consent, Consent):
            raise ModelRefused("Nothing is downloaded unless you have agreed to it.")
        self._check_online()
        store, offer = self.catalogue.store, consent.offer
        folder = store.folder / DOWNLOADS / _key(offer)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder):
                (folder / _OFFER).write_text(offer.to_json(), encoding="utf-8")
                require_space(store.folder, offer.size_bytes - _done_bytes(folder))
                self._run(self._fetch(offer, folder, told), cancel)
                return self._keep(offer, folder)
        except OSError as error:
            if disk_full(error):
                raise ModelError(
                    f"The disk is full: {store.folder} takes nothing more.",
                    hint="Delete something there; what has arrived is kept, try again to go on.",
                    permanent=False,
                ) from error
            raise disk_failure(error, store.folder) from error

    def interrupted(self) -> list[Interrupted]:
        """Downloads that have begun and not ended, by name."""
        folder = self.catalogue.folder
        found = []
        for path in sorted((folder / DOWNLOADS).glob(f"*/{_OFFER}")) if folder is not None else ():
            try:
                offer = Offer.from_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, KeyError, TypeError, ModelMissing):
                continue
            found.append(Interrupted(Consent(offer), _done_bytes(path.parent), path.parent))
        return found

    def forget(self, interrupted: Interrupted) -> None:
        """Delete what has arrived of an interrupted download."""
        shutil.rmtree(interrupted.folder, ignore_errors=True)

    # What it is --------------------------------------------------------------------------------------------------

    def _card(self, text: str) -> ModelCard:
        text = text.strip()
        repository = hub_id(text, self.endpoint) or hub_id(text)
        known = known_name(repository or text)
        if known is not None:
            return known
        if repository:
            return hub_card(repository)
        if text.startswith(("https://", "http://")):
            return card_of_address(text)
        # Says what else it could be.
        self.catalogue.card(text)
        raise ModelMissing(f"'{text}' is here already.", hint=f"'scenescope models info {text}' tells about it.")

    def _check_online(self) -> None:
        if self.catalogue.offline:
            raise DownloadFailed(
                "Scenescope is offline, so nothing is downloaded.",
                hint="Remove SCENESCOPE_OFFLINE from the environment, or add a file that you have.",
                permanent=True,
            )

    async def _offer(self, card: ModelCard) -> Offer:
        import httpx

        is_hub = card.url.startswith(HUB_SCHEME)
        url = listing_url(self.endpoint, card.url.removeprefix(HUB_SCHEME)) if is_hub else card.url
        try:
            async with make_client(url, self.stall_s) as client:
                if not is_hub:
                    return await self._file_offer(client, card)
                async with answered(client, "GET", url) as response:
                    if response.status_code in (401, 404):
                        raise DownloadFailed(
                            f"{urlsplit(url).netloc} has no model called {card.url.removeprefix(HUB_SCHEME)}.",
                            hint="Look for a wrong letter; models that are private cannot be had.",
                            permanent=True,
                        )
                    if response.status_code != 200:
                        raise status_failure(response, url)
                    listing = json.loads(await response.aread())
                return hub_offer(card, self.endpoint, listing)
        except httpx.HTTPError as error:
            raise connection_failure(error, url) from error
        except httpx.InvalidURL as error:
            raise DownloadFailed(
                f"{url} is not an address.", hint="Look for a wrong letter.", permanent=True
            ) from error
        except (ValueError, AttributeError, KeyError) as error:
            raise DownloadFailed(f"{urlsplit(url).netloc} is not a model hub.", hint="Look at HF_ENDPOINT.") from error

    async def _file_offer(self, client: Any, card: ModelCard) -> Offer:
        """Ask for the head alone; where that is not answered, for the first byte."""
        for method, headers in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):
            async with answered(client, method, card.url, headers) as response:
                if method == "HEAD" and response.status_code in (403, 405, 501):
                    continue
                if response.status_code not in (200, 206):
                    raise status_failure(response, card.url)
                remote = RemoteFile(card.file, card.url, 0, card.sha256)
                check_content(response, remote)
                total = response.headers.get("content-range", "").rpartition("/")[2]
                if response.status_code == 200:
                    total = response.headers.get("content-length", "")
                remote = replace(remote, size_bytes=int(total) if total.isdigit() else 0)
                return Offer(card, (remote,), risk_of_name(card.file))
        raise AssertionError("the second way has answered or raised")

    # Fetching ----------------------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, Result], cancel: Cancel | None) -> Result:
        """Run it to its end, or until it is cancelled, in this thread."""
        import asyncio

        async def watched() -> Result:
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            assert task is not None
            with (cancel or Cancel()).calling(lambda: loop.call_soon_threadsafe(task.cancel)):
                return await work

        try:
            return asyncio.run(watched())
        except asyncio.CancelledError:
            raise DownloadCancelled("The download was stopped.", hint="What has arrived is kept.") from None

    async def _fetch(self, offer: Offer, folder: Path, told: Told | None) -> None:
        validators = _validators(folder)

        def remember() -> None:
            (folder / _VALIDATORS).write_text(json.dumps(validators), encoding="utf-8")

        meter = Meter(offer.size_bytes, told)
        async with make_client(offer.files[0].url, self.stall_s) as client:
            for remote in offer.files:
                target = folder / remote.path
                if target.exists():
                    meter.add(target.stat().st_size, target.name, fetched=False)
                else:
                    await fetch_file(client, remote, target, validators, remember, meter)

    def _keep(self, offer: Offer, folder: Path) -> ModelCard:
        """Give the model its place, unless it is there already."""
        store, card = self.catalogue.store, offer.card
        sha256 = fingerprint(folder / card.file)
        if (same := store.same(sha256)) is not None:
            shutil.rmtree(folder)
            return same
        for name in (_OFFER, _VALIDATORS, _LOCK):
            (folder / name).unlink(missing_ok=True)
        name = store.free_name(card.name, [bundled.name for bundled in bundled_cards()])
        return store.adopt(
            replace(card, name=name, sha256=sha256, origin="downloaded", download_size_bytes=0, folder=folder)
        )


def _key(offer: Offer) -> str:
    """Name of the folder for what is on its way: the same for the same files, so that they are gone on with."""
    files = json.dumps([file.url for file in offer.files])
    return f"{tidy_name(offer.card.name)}-{hashlib.sha256(files.encode()).hexdigest()[:12]}"


def _done_bytes(folder: Path) -> int:
    ours = {_OFFER, _VALIDATORS, _LOCK}
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name not in ours)


def _validators(folder: Path) -> dict[str, str]:
    try:
        content = json.loads((folder / _VALIDATORS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others away from the same files: threads of this process, and other windows and command lines.

    The lock of a process that has died counts for nothing.
    """
    import psutil

    lock = folder / _LOCK
    try:
        owner = int(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        owner = 0
    with _busy_lock:
        if folder in _busy or (owner and owner != os.getpid() and psutil.pid_exists(owner)):
            raise DownloadFailed("This model is being downloaded already.", hint="Wait until it is done there.")
        _busy.add(folder)
    try:
        lock.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        lock.unlink(missing_ok=True)
        with _busy_lock:
            _busy.discard(folder)
