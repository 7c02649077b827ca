"""Stages, sources and sinks by name, ours and those of plugins, found through entry points."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from scenescope.models import PluginError
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import Source
from scenescope.pipelines.stage import Stage

__all__ = ["SINKS", "SOURCES", "STAGES", "PluginRow", "Registry"]

T = TypeVar("T")


@dataclass(frozen=True)
class PluginRow:
    """One registered name: which distribution brings it, and the sentence that says why it cannot be used, if so."""

    name: str
    distribution: str
    problem: str = ""


class Registry(Generic[T]):
    """The classes of one entry-point group. Listing reads metadata only; a class is imported when it is asked for."""

    def __init__(self, group: str, base: type[T]) -> None:
        self.group = group
        self.base = base
        self._lock = threading.Lock()
        self._entries: dict[str, EntryPoint] | None = None
        self._classes: dict[str, type[T]] = {}

    def names(self) -> list[str]:
        """All registered names, sorted, without importing anything."""
        with self._lock:
            return sorted({*self._found(), *self._classes})

    def get(self, name: str) -> type[T]:
        """The class called ``name``.

        Raises:
            PluginError: nothing is registered under the name, it cannot be imported, or it is not a ``base``.
        """
        with self._lock:
            if name in self._classes:
                return self._classes[name]
            entry = self._found().get(name)
        what = self.base.__name__.lower()
        if entry is None:
            raise PluginError(
                f"There is no {what} called '{name}'.",
                hint="Check the spelling, or install the plugin that brings it.",
            )
        try:
            loaded = entry.load()
        except Exception as error:
            raise PluginError(
                f"The {what} '{name}' from {_distribution(entry)} cannot be imported: {error}.",
                hint="Update or remove that plugin.",
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, self.base)):
            raise PluginError(f"'{name}' from {_distribution(entry)} is not a {what}.")
        with self._lock:
            return self._classes.setdefault(name, loaded)

    def add(self, name: str, cls: type[T]) -> None:
        """Register a class by hand; it wins over an entry point of the same name."""
        with self._lock:
            self._classes[name] = cls

    def discard(self, name: str) -> None:
        """Forget a class that was registered by hand."""
        with self._lock:
            self._classes.pop(name, None)

    def rows(self) -> list[PluginRow]:
        """Every name with what is wrong with it. Imports all of them, so call it for a dialog, not at start."""
        rows = []
        for name in self.names():
            entry = self._found().get(name)
            try:
                self.get(name)
                problem = ""
            except PluginError as error:
                problem = str(error)
            rows.append(PluginRow(name, _distribution(entry) if entry else "this session", problem))
        return rows

    def _found(self) -> dict[str, EntryPoint]:
        if self._entries is None:
            self._entries = {entry.name: entry for entry in entry_points(group=self.group)}
        return self._entries


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "an unknown distribution"


STAGES: Registry[Stage] = Registry("scenescope.stages", Stage)  # type: ignore[type-abstract,unused-ignore]
SOURCES: Registry[Source] = Registry("scenescope.sources", Source)  # type: ignore[type-abstract]
SINKS: Registry[Sink] = Registry("scenescope.sinks", Sink)  # type: ignore[type-abstract]
