"""Settings: what is remembered between runs, and the only place that looks at environment variables.

====================== =============================================================================================
variable               meaning
====================== =============================================================================================
SCENESCOPE_CONFIG_DIR  folder for ``settings.json``, the user's own presets and stages, instead of the usual one
SCENESCOPE_DATA_DIR    folder for snapshots, recordings and downloaded models, instead of the platform's usual one
SCENESCOPE_DEBUG       anything but 0: show tracebacks with error messages, as ``--debug`` does
SCENESCOPE_OFFLINE     anything but 0: nothing is ever downloaded, also not by the libraries that Scenescope uses
KERAS_BACKEND          "tensorflow", "torch" or "jax"; by default the first that is installed
HF_ENDPOINT            address of the model hub to download from, instead of https://huggingface.co
DISPLAY, WAYLAND_DISPLAY, QT_QPA_PLATFORM
                       where a window can be shown
====================== =============================================================================================
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_data_path

__all__ = ["Environment", "Settings", "change_environment", "variable"]

_APP = "scenescope"


def variable(name: str) -> str:
    """The value of an environment variable; empty when it is not set."""
    return os.environ.get(name, "")


def change_environment(changes: Mapping[str, str | None]) -> None:
    """Set environment variables for this process and its children; None removes one."""
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@dataclass(frozen=True)
class Environment:
    """What the environment says, read once by :meth:`read`."""

    config_dir: Path
    data_dir: Path
    debug: bool = False
    offline: bool = False
    display: str = ""
    wayland_display: str = ""
    qt_platform: str = ""

    @classmethod
    def read(cls) -> Environment:
        """The environment as it is now."""
        return cls(
            config_dir=Path(variable("SCENESCOPE_CONFIG_DIR") or user_config_path(_APP, appauthor=False)),
            data_dir=Path(variable("SCENESCOPE_DATA_DIR") or user_data_path(_APP, appauthor=False)),
            debug=_is_on("SCENESCOPE_DEBUG"),
            offline=_is_on("SCENESCOPE_OFFLINE"),
            display=variable("DISPLAY"),
            wayland_display=variable("WAYLAND_DISPLAY"),
            qt_platform=variable("QT_QPA_PLATFORM"),
        )

    @property
    def presets_dir(self) -> Path:
        """The user's own presets."""
        return self.config_dir / "presets"

    @property
    def models_dir(self) -> Path:
        """The user's own models, and downloaded ones."""
        return self.data_dir / "models"

    @property
    def events_file(self) -> Path:
        """The log of events and analyses."""
        return self.data_dir / "events.sqlite"

    @property
    def index_dir(self) -> Path:
        """What was learnt of films, to open them faster the next time."""
        return self.data_dir / "film-index"

    @property
    def stages_dir(self) -> Path:
        """The user's own stage files."""
        return self.config_dir / "stages"


def _is_on(name: str) -> bool:
    return variable(name).strip().lower() not in ("", "0", "false", "no", "off")


class Settings:
    """Values by name, kept in a JSON file. Safe to use from any thread.

    A file that cannot be read as settings is set aside as ``settings.json.damaged`` and the defaults apply. A folder
    that cannot be written to costs the memory, not the program: values then last until it ends.

    Args:
        path: the file; read at once, written at every change.

    Attributes:
        notice: a sentence for the user when something is wrong with the file; empty otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice = ""
        self._lock = threading.Lock()
        self._values = self._read()

    @classmethod
    def of_user(cls, environment: Environment | None = None) -> Settings:
        """The settings of this user."""
        return cls((environment or Environment.read()).config_dir / "settings.json")

    def get(self, key: str, default: Any = None) -> Any:
        """The value called ``key``; ``default`` when there is none, or when it is of another type than the default.

        Values are JSON: a tuple comes back as a tuple when the default is one, a whole number as a float likewise.
        """
        with self._lock:
            value = self._values.get(key)
        if value is None or default is None:
            return default if value is None else value
        if isinstance(default, tuple) and isinstance(value, list):
            return tuple(value)
        if isinstance(default, float) and type(value) is int:
            return float(value)
        return value if type(value) is type(default) else default

    def set(self, key: str, value: Any) -> None:
        """Remember ``value``, which must be JSON (None, bool, number, text, list or dict of these); None forgets it."""
        text = json.dumps(value)
        with self._lock:
            if json.dumps(self._values.get(key)) == text:
                return
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = json.loads(text)
            self._write()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            self.notice = f"The settings in {self.path} cannot be read ({error.strerror}); defaults are used."
            return {}
        except ValueError:
            content = None
        if isinstance(content, dict):
            return content
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            self.path.replace(aside)
            self.notice = f"The settings were damaged and are kept as {aside}; defaults are used."
        except OSError:
            self.notice = f"The settings in {self.path} are damaged; defaults are used."
        return {}

    def _write(self) -> None:
        """Replace the file in one step, so that a crash leaves the old or the new one whole."""
        scratch = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(self._values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            scratch.replace(self.path)
        except OSError as error:
            self.notice = f"Settings cannot be kept in {self.path.parent} ({error.strerror})."
