"""Export, report and comparison with a ground truth, as commands of the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QStandardPaths, Slot
from PySide6.QtWidgets import QDialog, QWidget

from scenescope.pipelines.engine import Engine
from scenescope.widgets.settings import Settings

if TYPE_CHECKING:
    from scenescope.widgets.export_dialog import ExportDialog
    from scenescope.widgets.metrics_dialog import MetricsDialog

__all__ = ["ExportCommands", "export_folder"]


def export_folder() -> Path:
    """``Scenescope`` in the user's folder of documents."""
    places = QStandardPaths.standardLocations(QStandardPaths.StandardLocation.DocumentsLocation)
    return Path(places[0] if places else Path.home()) / "Scenescope"


class ExportCommands(QObject):
    """Opens the dialogs, at most one of each, beside the window.

    Args:
        engine: of the window; the runs of its source are offered first.
        log: the event log.
        settings: what is remembered between runs.
        window: the dialogs' parent.
    """

    def __init__(
        self,
        engine: Engine,
        log: Any,
        settings: Settings,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._engine = engine
        self._log = log
        self._settings = settings
        self._window = window
        self.export_dialog: ExportDialog | None = None
        self.metrics_dialog: MetricsDialog | None = None

    @Slot()
    def show_export(self) -> None:
        """Choose what is exported, and where to."""
        self._export()

    @Slot()
    def show_report(self) -> None:
        """The same with the report alone chosen."""
        self._export().choose_report()

    @Slot()
    def show_metrics(self) -> None:
        """Choose a ground truth to compare with."""
        if self.metrics_dialog is None:
            from scenescope.widgets.metrics_dialog import MetricsDialog

            self.metrics_dialog = MetricsDialog(self._log, self._settings, self._source_name, self._window)
            self.metrics_dialog.finished.connect(self._forget_metrics)
        self._raise(self.metrics_dialog)

    def close(self) -> None:
        """End what the dialogs do, and close them."""
        for dialog in (self.export_dialog, self.metrics_dialog):
            if dialog is not None:
                dialog.close()

    @property
    def _source_name(self) -> str:
        info = self._engine.source_state.info
        return info.name if info is not None else ""

    def _export(self) -> ExportDialog:
        if self.export_dialog is None:
            from scenescope.widgets.export_dialog import ExportDialog

            self.export_dialog = ExportDialog(
                self._log, self._settings, export_folder(), self._source_name, self._window
            )
            self.export_dialog.finished.connect(self._forget_export)
        self._raise(self.export_dialog)
        return self.export_dialog

    @staticmethod
    def _raise(dialog: QDialog) -> None:
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    @Slot()
    def _forget_export(self) -> None:
        dialog, self.export_dialog = self.export_dialog, None
        if dialog is not None:
            dialog.deleteLater()

    @Slot()
    def _forget_metrics(self) -> None:
        dialog, self.metrics_dialog = self.metrics_dialog, None
        if dialog is not None:
            dialog.deleteLater()
