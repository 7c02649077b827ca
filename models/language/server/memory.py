"""What servers can do, remembered per address and model, so that it need not be asked at every start."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from scenescope.models.errors import AssistantError
from scenescope.models.language.base import Reach
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.probe import Capabilities, ProbeStep

__all__ = ["ProbeMemory"]

MAX_ENTRIES = 50
MAX_FILE_BYTES = 4 * 1024 * 1024


class ProbeMemory:
    """A small JSON file of what probes have found. Keys are not in it. Any thread.

    A file that cannot be read counts as empty: what is in it can be asked again.

    Args:
        path: the file; its folder is made when something is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def get(self, endpoint: Endpoint) -> Capabilities | None:
        """What was found, or None."""
        with self._lock:
            return _capabilities(self._read().get(_name(endpoint)))

    def keep(self, endpoint: Endpoint, found: Capabilities) -> None:
        """Remember what was found; a server with a problem is forgotten instead.

        Raises:
            AssistantError: the file cannot be written.
        """
        with self._lock:
            entries = self._read()
            entries.pop(_name(endpoint), None)
            if not found.problem:
                entries[_name(endpoint)] = {
                    "models": list(found.models),
                    "vision": found.vision,
                    "tools": found.tools,
                    "json_schema": found.json_schema,
                    "slow": [step.name for step in found.slow],
                    "reach": found.reach.name,
                }
            self._write(dict(list(entries.items())[-MAX_ENTRIES:]))

    def forget(self, endpoint: Endpoint | None = None) -> None:
        """Forget one server, or all.

        Raises:
            AssistantError: the file cannot be written.
        """
        with self._lock:
            entries = {} if endpoint is None else self._read()
            if endpoint is not None:
                entries.pop(_name(endpoint), None)
            if entries or self._path.exists():
                self._write(entries)

    def _read(self) -> dict[str, Any]:
        try:
            if self._path.stat().st_size > MAX_FILE_BYTES:
                return {}
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, entries: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(entries, file, indent=1)
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise AssistantError(
                f"What the server can do cannot be kept in {self._path}: {error.strerror or error}.",
                hint="It will be asked again at the next start; free some space, or check who may write there.",
            ) from error


def _name(endpoint: Endpoint) -> str:
    return f"{endpoint.base_url} {endpoint.model}"


def _capabilities(entry: Any) -> Capabilities | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("models"), list):
        return None
    if entry.get("reach") not in Reach.__members__:
        return None
    return Capabilities(
        models=tuple(name for name in entry["models"] if isinstance(name, str)),
        vision=entry.get("vision") is True,
        tools=entry.get("tools") is True,
        json_schema=entry.get("json_schema") is True,
        slow=tuple(step for step in ProbeStep if step.name in _names(entry.get("slow"))),
        reach=Reach[entry["reach"]],
    )


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
