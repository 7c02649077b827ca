"""The user's own stage files in the window: a new one from a template, their folder, and news when one is saved."""

from __future__ import annotations

import re
from collections.abc import Callable

from PySide6.QtCore import QObject, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QInputDialog, QWidget

from scenescope.pipelines.engine import Engine
from scenescope.pipelines.user_stages import StageFile, StageFolder, template
from scenescope.widgets.bridge import EngineBridge

__all__ = ["StageFiles"]


class StageFiles(QObject):
    """Watches the folder of stage files while the window is open.

    Args:
        folder: None when there is none to watch.
        engine: told of new code.
        bridge: carries the news to the GUI thread.
        window: parent of what is asked.
    """

    failed = Signal(str, str)
    changed = Signal()
    """Stages came, went, or have new code."""
    told = Signal(str, str)
    """Something went well: a sentence, and what can be done now."""

    def __init__(self, folder: StageFolder | None, engine: Engine, bridge: EngineBridge, window: QWidget) -> None:
        super().__init__(window)
        self._folder = folder
        self._engine = engine
        self._bridge = bridge
        self._window = window
        self._end: Callable[[], None] | None = None

    def watch(self) -> None:
        """Begin to watch; files that cannot be taken up now are told as well."""
        if self._folder is None or self._end is not None:
            return
        try:
            self._end = self._folder.watch(self._take_up)
        except OSError as error:
            self.failed.emit(f"Stage files in {self._folder.folder} cannot be watched: {error.strerror}.", "")

    def close(self) -> None:
        """End the watch."""
        end, self._end = self._end, None
        if end is not None:
            end()

    @Slot()
    def new_file(self) -> None:
        """Ask for a name, write a stage that works, and open it in the user's editor."""
        if self._folder is None:
            return
        name, wanted = QInputDialog.getText(self._window, "New stage file", "Name of the stage:", text="My stage")
        if wanted and name.strip():
            self.write(name)

    def write(self, name: str) -> None:
        """Write the file for a stage called ``name`` and open it."""
        assert self._folder is not None
        words = re.findall(r"[A-Za-z0-9]+", name)
        class_name = "".join(word[:1].upper() + word[1:] for word in words)
        if not class_name or not class_name[0].isalpha() or not class_name.isascii():
            self.failed.emit(f"'{name}' cannot be the name of a stage.", "Use letters and digits, a letter first.")
            return
        path = self._folder.folder / f"{'_'.join(word.lower() for word in words)}.py"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(template(class_name))
        except FileExistsError:
            self.failed.emit(f"{path.name} is there already.", "Choose another name.")
            return
        except OSError as error:
            self.failed.emit(f"Cannot write {path}: {error.strerror}.", "Make room, or allow writing to that folder.")
            return
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

    @Slot()
    def open_folder(self) -> None:
        """Show the folder in the system's file manager."""
        if self._folder is not None:
            self._folder.folder.mkdir(parents=True, exist_ok=True)
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder.folder)))

    def _take_up(self, news: list[StageFile]) -> None:
        """On the watching thread."""
        for file in news:
            self._engine.renew(file.kinds, file.problem)
        self._bridge.post(lambda: self._tell(news))

    def _tell(self, news: list[StageFile]) -> None:
        self.changed.emit()
        for file in news:
            if file.problem:
                rest = "What was loaded before goes on." if file.kinds else "Mend the file and save it."
                self.failed.emit(file.problem, rest)
            else:
                self.told.emit(f"Took up {file.path.name}.", "Its stages are in 'Add stage'.")
