"""Providers: who may describe and answer, as the settings say, and how they are made."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

import psutil

from scenescope.app.assistant.off import Off
from scenescope.models import AssistantError, ModelMissing, ScenescopeError
from scenescope.models.budget import usable_cores
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import current
from scenescope.models.catalogue.catalogue import Catalogue
from scenescope.models.language import LanguageModel
from scenescope.models.language.local.folders import ModelFolder, local_models, offered_models, suited
from scenescope.models.language.local.model import LocalModel
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.keys import KeyStore
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import UNASKED, Capabilities, Probe
from scenescope.widgets.assistant_choices import OFF, RULES, servers_of
from scenescope.widgets.settings import Settings

__all__ = ["Providers", "ServerKeys"]

LOCAL, SERVER = "local:", "server:"


class ServerKeys:
    """The keys of servers, by the servers' ids, in the key store of the operating system."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def get(self, name: str) -> str:
        """The key, "" when there is none."""
        return self._store.get(f"{SERVER}{name}")

    def set(self, name: str, key: str) -> None:
        """Keep a key.

        Raises:
            AssistantError: there is no key store; the key is kept until the program ends.
        """
        if note := self._store.put(f"{SERVER}{name}", key):
            raise AssistantError(note, hint="It works until then.")

    def delete(self, name: str) -> None:
        """Forget a key; nothing when there is none."""
        self._store.forget(f"{SERVER}{name}")


class Providers:
    """Makes models of what the settings name.

    Args:
        settings: what was chosen.
        memory_file: what was found out about servers.
        catalogue: where downloaded models are.
        free_bytes: memory that a model on this computer may take.
        cores: that this process may use.
    """

    def __init__(
        self,
        settings: Settings,
        memory_file: Path,
        catalogue: Callable[[], Catalogue] = current,
        *,
        free_bytes: Callable[[], int] = lambda: int(psutil.virtual_memory().available),
        cores: Callable[[], int] = usable_cores,
    ) -> None:
        self.keys = ServerKeys(KeyStore())
        self._settings = settings
        self._memory = ProbeMemory(memory_file)
        self._catalogue = catalogue
        self._free_bytes, self._cores = free_bytes, cores
        self._lock = threading.Lock()
        self._in_use: weakref.WeakKeyDictionary[ServerModel, Endpoint] = weakref.WeakKeyDictionary()
        self._closed = False

    def close(self) -> None:
        """Ask servers nothing more."""
        self._closed = True
        for model in self._servers():
            model.cancel()

    @property
    def folders(self) -> list[ModelFolder]:
        """The models on this computer, largest first. Reads the disk."""
        return local_models(self._catalogue())

    @property
    def offers(self) -> list[ModelCard]:
        """The models that could be downloaded, largest first. Reads the disk."""
        return [card for card, _ in offered_models(self._catalogue())]

    def make(self, choice: str) -> LanguageModel | None:
        """The model that a choice means, None for the rules. Reads the disk.

        Raises:
            ScenescopeError: there is no such server or model any more.
        """
        if choice.startswith(LOCAL):
            wanted = choice.removeprefix(LOCAL)
            folder = next((folder for folder in self.folders if folder.title == wanted), None)
            return LocalModel(folder) if folder is not None else LocalModel(missing=wanted)
        if choice.startswith(SERVER):
            row = next((row for row in servers_of(self._settings) if row.key == choice), None)
            if row is None:
                raise AssistantError("The chosen server is not in the settings any more.", hint="Choose another one.")
            return self.at(Endpoint(row.url, row.model, self.keys.get(row.id)))
        if choice == OFF:
            return Off()
        if choice != RULES:
            raise AssistantError(f"Nobody called '{choice}' can answer.", hint="Choose another one in the settings.")
        return None

    def at(self, endpoint: Endpoint) -> ServerModel:
        """The model behind an address. What it can do is known from before, or found out by :meth:`ask_anew`."""
        model = ServerModel(endpoint, self._memory.get(endpoint) or UNASKED)
        model.found_out = partial(self._take, endpoint)
        with self._lock:
            self._in_use[model] = endpoint
        model.look_up()
        # It takes a second, which is better spent now than at the first question.
        with suppress(ImportError):
            import_module("pydantic_ai.models.openai")
        return model

    # What servers can do -----------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether a server in use could not be used when it was last asked, and may have come back."""
        return any(_may_be_back(model) for model in self._servers())

    def ask_anew(self, *, wished: bool = False) -> None:
        """Ask the servers in use what they can do now: those that may have come back, all where the user wishes it.

        Waits for them.
        """
        asked: list[Endpoint] = []
        for model in self._servers():
            # One that answers and describes is there twice.
            wanted = model.endpoint not in asked and (wished or _may_be_back(model))
            if wanted and not self._closed and model.ask_anew():
                asked.append(model.endpoint)

    def test(self, endpoint: Endpoint, probe: Probe) -> Capabilities:
        """Run a probe; what it found is remembered, and holds at once for the server if that is in use."""
        found = probe.run()
        if not found.problem:
            self._take(endpoint, found)
        return found

    def _take(self, endpoint: Endpoint, found: Capabilities) -> None:
        for model in self._servers():
            if endpoint in (self._in_use.get(model), model.endpoint):
                model.learn(found)
        if not found.problem:
            # Otherwise it is asked again at the next start.
            with suppress(AssistantError):
                self._memory.keep(endpoint, found)

    def _servers(self) -> list[ServerModel]:
        with self._lock:
            return list(self._in_use)

    def named(self, provider: str, model: str = "") -> LanguageModel | None:
        """Who a user names on the command line: "rules", "local", or the address of a server.

        Of several models on this computer it is the one that suits the machine, unless ``model`` names one. A server
        that is in the settings gets its key from there.

        Raises:
            ScenescopeError: there is no model on this computer, or the server cannot be used.
        """
        if provider == RULES:
            return None
        if provider == "local":
            folders = self.folders
            if not folders:
                raise ModelMissing(
                    "There is no model for descriptions on this computer.",
                    hint="'scenescope models get SmolVLM-500M-Instruct' downloads one, after asking.",
                )
            wanted = next((folder for folder in folders if folder.title == model), None)
            if model and wanted is None:
                titles = ", ".join(folder.title for folder in folders)
                raise ModelMissing(f"There is no model '{model}' on this computer.", hint=f"There is: {titles}.")
            return LocalModel(wanted or suited(folders, self._free_bytes(), self._cores()))
        bare = Endpoint(provider, model)
        key = next((self.keys.get(row.id) for row in servers_of(self._settings) if _is_at(row.url, bare)), "")
        endpoint = Endpoint(bare.base_url, bare.model, key)
        found = self._memory.get(endpoint) or self.test(endpoint, Probe(endpoint))
        if found.problem:
            raise AssistantError(found.problem, hint=found.cure)
        made = ServerModel(endpoint, found)
        made.look_up()
        return made


def _is_at(url: str, endpoint: Endpoint) -> bool:
    try:
        return Endpoint(url).base_url == endpoint.base_url
    except ScenescopeError:
        return False


def _may_be_back(model: ServerModel) -> bool:
    return bool(model.capabilities.problem) and not model.capabilities.lasting
