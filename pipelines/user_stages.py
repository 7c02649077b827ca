"""The user's own stage files: one folder of .py files, taken up when they are saved, without a restart."""

from __future__ import annotations

import re
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from scenescope.models import PluginError
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.stage import Stage

__all__ = ["StageFile", "StageFolder", "template"]

_MODULES = "scenescope_user_stages"
LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class StageFile:
    """What became of a file that was new, changed or removed.

    Attributes:
        path: of the file.
        kinds: the stages that it holds, or held before it was damaged or removed.
        problem: why it could not be taken up, in a sentence; its former code then stays in use. Empty when all is well.
        details: the traceback behind ``problem``.
    """

    path: Path
    kinds: tuple[str, ...]
    problem: str = ""
    details: str = ""


class StageFolder:
    """A folder of .py files with stages in them. A file that begins with "_" or "." is left alone.

    Args:
        folder: need not exist.
        registry: where the stages are registered, each under its ``kind``.
    """

    def __init__(self, folder: Path, registry: Registry[Stage]) -> None:
        self.folder = folder
        self._registry = registry
        self._lock = threading.Lock()
        self._seen: dict[Path, str] = {}
        self._kinds: dict[Path, tuple[str, ...]] = {}

    def scan(self) -> list[StageFile]:
        """Take up what has changed since the last call: nothing when nothing has. Safe to call from any thread."""
        with self._lock:
            found = {path: text for path in self._paths() if (text := _read(path)) is not None}
            news = [self._removed(path) for path in list(self._seen) if path not in found]
            for path, text in found.items():
                mark = sha256(text).hexdigest()
                if self._seen.get(path) != mark:
                    self._seen[path] = mark
                    news.append(self._taken_up(path, text))
            return news

    def watch(self, tell: Callable[[list[StageFile]], None]) -> Callable[[], None]:
        """Scan now and whenever a file is saved, on a thread of its own, and tell what came of it.

        Args:
            tell: called on that thread.

        Returns:
            Ends the watch, and waits for it.
        """
        from watchfiles import watch

        stop = threading.Event()

        def run() -> None:
            # The folder is the user's to make, so there may be none for a while.
            while not self.folder.is_dir():
                if stop.wait(LOOK_EVERY_S):
                    return
            if news := self.scan():
                tell(news)
            # The time-out also finds a folder whose changes the system does not report, as on some network drives.
            for _ in watch(
                self.folder,
                stop_event=stop,
                debounce=100,
                step=50,
                rust_timeout=round(LOOK_EVERY_S * 1000),
                yield_on_timeout=True,
            ):
                if news := self.scan():
                    tell(news)

        thread = threading.Thread(target=run, name="stage-folder", daemon=True)
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        return end

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.glob("*.py") if path.name[0] not in "_.")
        except OSError:
            return []

    def _removed(self, path: Path) -> StageFile:
        del self._seen[path]
        kinds = self._kinds.pop(path, ())
        for kind in kinds:
            self._registry.discard(kind)
        return StageFile(path, kinds, f"{path.name} was removed; what was loaded of it runs until the app ends.")

    def _taken_up(self, path: Path, source: bytes) -> StageFile:
        before = self._kinds.get(path, ())
        try:
            module = _run(path, source)
            classes = _stages_in(module)
            if not classes:
                raise PluginError(f"{path.name} has no stage: a subclass of Stage with a title is needed.")
            for kind in classes:
                if kind not in before and kind in self._registry.names():
                    raise PluginError(f"{path.name}: there is a stage called '{kind}' already; rename the class.")
        except Exception as error:
            return StageFile(path, before, _sentence(path, error), traceback.format_exc())
        sys.modules[module.__name__] = module
        for kind in before:
            self._registry.discard(kind)
        for kind, cls in classes.items():
            self._registry.add(kind, cls)
        self._kinds[path] = tuple(classes)
        return StageFile(path, (*classes, *(kind for kind in before if kind not in classes)))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        # Gone or locked while an editor replaces it: the next scan finds it.
        return None


def _run(path: Path, source: bytes) -> ModuleType:
    """The file as a module. Compiled from the text, since a cached one is told apart by whole seconds only."""
    module = ModuleType(f"{_MODULES}.{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}")
    module.__file__ = str(path)
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def _stages_in(module: ModuleType) -> dict[str, type[Stage]]:
    return {
        value.info.kind: value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Stage) and value.__module__ == module.__name__
    }


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, PluginError):
        return error.user_message
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path.name}, line {error.lineno}: {error.msg}."
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    where = f", line {lines[-1]}" if lines else ""
    return f"{path.name}{where}: {type(error).__name__}: {error}."


def template(name: str) -> str:
    """The text of a new stage file.

    Args:
        name: of the class, "MyStage".
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return f'''"""{words}."""

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams


class {name}(Stage, title="{words}", group="My stages"):
    """Trace edges with Canny's hysteresis thresholding."""

    class Params(StageParams):
        low: int = Field(50, ge=0, le=255, description="Weaker edges are dropped.")
        high: int = Field(150, ge=0, le=255, description="Stronger edges are always kept.")

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(cv2.Canny(frame.image, self.params.low, self.params.high))
'''
