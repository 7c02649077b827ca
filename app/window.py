"""The window with all that stands behind it: engine, assistant, settings, and a net under them all."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QLoggingCategory,
    QMessageLogContext,
    QSocketNotifier,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from scenescope.app.assistant.office import Office
from scenescope.app.environment import neutralise_opencv_qt, take_up_models
from scenescope.app.settings import Environment, Settings
from scenescope.models import SinkError
from scenescope.models.vision.embedding import ImageEmbedder
from scenescope.pipelines import STAGES, PipelineSpec, presets
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineFault
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.sources.index_cache import use_index_folder
from scenescope.pipelines.user_stages import StageFolder
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.garbage import collected_on_this_thread
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.settings import Settings as AnySettings

__all__ = ["Desktop", "make_application", "show_window"]


class Desktop:
    """The window, the engine and the assistant, put together.

    Args:
        spec: the pipeline to begin with.
        settings: what is remembered.
        environment: tells where the user's presets are.
    """

    def __init__(self, spec: PipelineSpec, settings: AnySettings, environment: Environment) -> None:
        downloader, self._put_models_back = take_up_models(environment)
        use_index_folder(environment.index_dir)
        self._spare_folder: TemporaryDirectory[str] | None = None
        self.log, problem = self._open_log(environment.events_file)
        self._embedder = ImageEmbedder()
        self.observer = SceneObserver()
        self.engine = Engine(spec, sinks=[self.observer])
        self._menu: tuple[str, ...] = ()
        self.panel = AssistantPanel()
        self.window = MainWindow(
            self.engine,
            settings,
            log=self.log,
            embed=self._embedder.available() or self._embedder.embed,
            assistant_panel=self.panel,
            own_presets=lambda: presets.in_folder(environment.presets_dir),
            data_folder=environment.data_dir,
            stage_folder=StageFolder(environment.stages_dir, STAGES),
            downloader=downloader,
        )
        if problem is not None:
            hint = "Events and analyses are kept until the window is closed."
            self.window.notices.warn(problem.user_message, f"{hint} {problem.hint}".strip())
        elif self.log.notice:
            self.window.notices.warn(self.log.notice, "")
        # Read once, here: the assistant answers on other threads, and menus belong to this one.
        self._menu = tuple(
            f"{action.spec.category} > {action.plain_text} ({action.shortcut().toString()})"
            for action in self.window.actions_
        )
        self.office = Office(self.window, self.panel, self.observer, self.log, environment, lambda: self._menu)
        self.assistant = self.office.assistant

    def run(self, application: QApplication) -> int:
        """Show the window until it is closed; Qt's exit code."""
        self.window.show()
        with collected_on_this_thread(), _faults_told(self._tell), _closed_by_signal(self.window.close):
            return application.exec()

    def close(self) -> None:
        """End everything; the window is gone after it."""
        self.window.close()
        self.office.close()
        self.log.close()
        self._embedder.close()
        use_index_folder(None)
        if self._spare_folder is not None:
            self._spare_folder.cleanup()
        self._put_models_back()
        self.window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def _open_log(self, path: Path) -> tuple[EventLog, SinkError | None]:
        """The event log; one that lasts as long as the window, and why, where it cannot be kept."""
        try:
            return EventLog(path), None
        except SinkError as error:
            self._spare_folder = TemporaryDirectory(prefix="scenescope-")
            return EventLog(Path(self._spare_folder.name) / path.name), error

    def _tell(self, fault: EngineFault) -> None:
        """Show a failure that nobody expected; from any thread."""
        bridge = self.window.bridge
        bridge.post(lambda: bridge.fault.emit(fault))


def make_application() -> QApplication:
    """The one QApplication of this process."""
    neutralise_opencv_qt()
    # Which sound servers are missing is of no interest here.
    QLoggingCategory.setFilterRules("qt.multimedia.*=false")
    qInstallMessageHandler(_print_qt_message)
    application = QApplication.instance() or QApplication(["scenescope"])
    assert isinstance(application, QApplication)
    application.setApplicationName("scenescope")
    application.setApplicationDisplayName("Scenescope")
    application.setDesktopFileName("scenescope")
    return application


def _print_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    # Said of every window that is drawn into memory, and without consequence there.
    if "does not support propagateSizeHints" not in message:
        print(message, file=sys.stderr)


def show_window(source: str | None, pipeline: str = presets.DEFAULT) -> int:
    """Open the window and stay until it is closed. Call ``check_display`` before this module is imported.

    Args:
        source: what to show first, as a person types it.
        pipeline: a preset's name or a file.

    Raises:
        SpecError: there is no such pipeline.
    """
    environment = Environment.read()
    spec = presets.load(pipeline, folder=environment.presets_dir)
    application = make_application()
    settings = Settings.of_user(environment)
    desktop = Desktop(spec, settings, environment)
    if settings.notice:
        print(settings.notice, file=sys.stderr)
    if source is not None:
        desktop.window.open_source_text(source)
    try:
        return desktop.run(application)
    finally:
        desktop.close()


@contextmanager
def _faults_told(tell: Callable[[EngineFault], None]) -> Iterator[None]:
    """Hand exceptions that nobody caught, of any thread, to ``tell`` as well as to stderr."""

    def fault(where: str, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        details = "".join(traceback.format_exception(kind, error, trace))
        tell(EngineFault(where, f"{kind.__name__}: {error}", details))

    def in_gui(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        fault("the window", kind, error, trace)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, SystemExit):
            fault(
                f"thread {args.thread.name if args.thread else '?'}", args.exc_type, args.exc_value, args.exc_traceback
            )

    before = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = in_gui, in_thread
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = before


@contextmanager
def _closed_by_signal(close: Callable[[], object]) -> Iterator[None]:
    """Close the window at Ctrl+C or a request to end, which Python alone would not notice while Qt waits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read)

    def woken() -> None:
        # Closed here, not in the handler, which may run in the middle of painting.
        if any(number in handlers for number in reader.recv(64)):
            close()

    notifier.activated.connect(woken)
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    wakeup_fd = signal.set_wakeup_fd(writer.fileno())
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        notifier.setEnabled(False)
        reader.close()
        writer.close()
