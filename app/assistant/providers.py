"""Providers: who may describe and answer, as the settings say, and how they are made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from scenescope.models import AssistantError, ModelMissing, ScenescopeError
from scenescope.models.catalogue import current
from scenescope.models.catalogue.catalogue import Catalogue
from scenescope.models.language import LanguageModel
from scenescope.models.language.local.folders import ModelFolder, local_models
from scenescope.models.language.local.model import LocalModel
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.keys import KeyStore
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import Capabilities, Probe
from scenescope.widgets.assistant_choices import RULES, servers_of
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
    """

    def __init__(self, settings: Settings, memory_file: Path, catalogue: Callable[[], Catalogue] = current) -> None:
        self.keys = ServerKeys(KeyStore())
        self._settings = settings
        self._memory = ProbeMemory(memory_file)
        self._catalogue = catalogue

    @property
    def folders(self) -> list[ModelFolder]:
        """The models on this computer, largest first. Reads the disk."""
        return local_models(self._catalogue())

    def make(self, choice: str) -> LanguageModel | None:
        """The model that a choice means, None for the rules. May wait for a server that was not asked yet.

        Raises:
            ScenescopeError: there is no such server or model any more.
        """
        if choice.startswith(LOCAL):
            wanted = choice.removeprefix(LOCAL)
            return LocalModel(next((folder for folder in self.folders if folder.title == wanted), None))
        if choice.startswith(SERVER):
            row = next((row for row in servers_of(self._settings) if row.key == choice), None)
            if row is None:
                raise AssistantError("The chosen server is not in the settings any more.", hint="Choose another one.")
            return self.at(Endpoint(row.url, row.model, self.keys.get(row.id)))
        if choice != RULES:
            raise AssistantError(f"Nobody called '{choice}' can answer.", hint="Choose another one in the settings.")
        return None

    def at(self, endpoint: Endpoint) -> ServerModel:
        """The model behind an address, asked what it can do if that is not known yet."""
        found = self._memory.get(endpoint) or self.test(endpoint, Probe(endpoint))
        model = ServerModel(endpoint, found)
        model.look_up()
        # It takes a second, which is better spent now than at the first question.
        with suppress(ImportError):
            import_module("pydantic_ai.models.openai")
        return model

    def test(self, endpoint: Endpoint, probe: Probe) -> Capabilities:
        """Run a probe, and remember what it found."""
        found = probe.run()
        if not found.problem:
            self._memory.keep(endpoint, found)
        return found

    def named(self, provider: str, model: str = "") -> LanguageModel | None:
        """Who a user names on the command line: "rules", "local", or the address of a server.

        A server that is in the settings gets its key from there.

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
            return LocalModel(folders[0])
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
