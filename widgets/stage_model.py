"""The stages of the pipeline as rows, made from what the engine tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt, Signal
from typing_extensions import override

from scenescope.models import PluginError
from scenescope.pipelines import PipelineSpec, Stage, StageInfo, StageSpec
from scenescope.pipelines.events import StagePhase, StageState, StageStats
from scenescope.pipelines.registry import Registry

__all__ = ["ROW_ROLE", "STAGE_MIME", "StageModel", "StageRow"]

STAGE_MIME = "application/x-scenescope-stage"
ROW_ROLE = Qt.ItemDataRole.UserRole + 1
Index = QModelIndex | QPersistentModelIndex

_WORDS = {
    StagePhase.LOADING: "Loading",
    StagePhase.READY: "Ready",
    StagePhase.DISABLED: "Off",
    StagePhase.UNAVAILABLE: "Unavailable",
    StagePhase.TRIPPED: "Stopped after failures",
    StagePhase.NOT_RESPONDING: "Not responding",
}


@dataclass(frozen=True)
class StageRow:
    """Everything that is shown of one stage. ``info`` is None when its plugin is missing."""

    spec: StageSpec
    state: StageState
    info: StageInfo | None
    stats: StageStats | None = None

    @property
    def title(self) -> str:
        """Its title, or its name in the file when the plugin is missing."""
        return self.info.title if self.info else self.spec.kind

    @property
    def can_retry(self) -> bool:
        """True when loading it again may help."""
        return self.state.phase in (StagePhase.TRIPPED, StagePhase.UNAVAILABLE, StagePhase.NOT_RESPONDING)

    @property
    def failed(self) -> bool:
        """True when it is wanted but does not work."""
        return self.can_retry

    @property
    def sentence(self) -> str:
        """What the second line of the row says."""
        if self.can_retry:
            return self.state.message or _WORDS[self.state.phase]
        if problem := self.state.code_problem or self.state.device_problem:
            return problem
        return _WORDS[self.state.phase]

    @property
    def timing(self) -> str:
        """Median and 95th percentile once it has worked, and on a lane of its own how old what it shows is."""
        if self.stats is None or not self.stats.calls or self.state.phase is not StagePhase.READY:
            return ""
        age = "" if self.stats.age_ms is None else f", {self.stats.age_ms / 1e3:.1f} s old"
        return f"{_ms(self.stats.p50_ms)} / {_ms(self.stats.p95_ms)} ms{age}"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


class StageModel(QAbstractListModel):
    """Rows of the stage list. It never changes itself: it asks, and shows what the engine then tells.

    ``enable_requested(stage_id, on)`` and ``move_requested(stage_id, to)`` are those questions.
    """

    enable_requested = Signal(str, bool)
    move_requested = Signal(str, int)

    def __init__(self, registry: Registry[Stage], parent: Any = None) -> None:
        super().__init__(parent)
        self._registry = registry
        self.rows: list[StageRow] = []

    # News --------------------------------------------------------------------------------------------------------

    def show_pipeline(self, spec: PipelineSpec, states: Sequence[StageState]) -> bool:
        """Show this; True when rows came, went or changed places."""
        by_id = {state.stage_id: state for state in states}
        stats = {row.spec.id: row.stats for row in self.rows}
        rows = []
        for stage in spec.stages:
            info = self._info(stage.kind)
            state = by_id.get(stage.id) or StageState(stage.id, StagePhase.LOADING)
            if not stage.enabled and state.phase is not StagePhase.UNAVAILABLE:
                state = StageState(stage.id, StagePhase.DISABLED)
            elif stage.enabled and state.phase is StagePhase.DISABLED:
                state = StageState(stage.id, StagePhase.LOADING)
            if info is None and state.phase is not StagePhase.UNAVAILABLE:
                state = StageState(stage.id, StagePhase.UNAVAILABLE, message=self._missing(stage.kind))
            rows.append(StageRow(stage, state, info, stats.get(stage.id)))
        same_order = [row.spec.id for row in rows] == [row.spec.id for row in self.rows]
        if same_order:
            changed = [at for at, (old, new) in enumerate(zip(self.rows, rows, strict=True)) if old != new]
            self.rows = rows
            for at in changed:
                self.dataChanged.emit(self.index(at), self.index(at))
            return False
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()
        return True

    def show_stats(self, stats: Sequence[StageStats]) -> None:
        """Show how long the stages take."""
        by_id = {one.stage_id: one for one in stats}
        for at, row in enumerate(self.rows):
            new = StageRow(row.spec, row.state, row.info, by_id.get(row.spec.id))
            if new != row:
                self.rows[at] = new
                if new.timing != row.timing:
                    self.dataChanged.emit(self.index(at), self.index(at))

    def row_of(self, stage_id: str) -> int:
        """Where the stage stands; -1 when it is gone."""
        return next((at for at, row in enumerate(self.rows) if row.spec.id == stage_id), -1)

    def _info(self, kind: str) -> StageInfo | None:
        try:
            return self._registry.get(kind).info
        except PluginError:
            return None

    def _missing(self, kind: str) -> str:
        try:
            self._registry.get(kind)
        except PluginError as error:
            return error.user_message
        return ""

    # Qt ----------------------------------------------------------------------------------------------------------

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self.rows)

    @override
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row = self.rows[index.row()]
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.CheckStateRole:
            return Qt.CheckState.Checked if row.spec.enabled else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            lines = [row.info.summary if row.info else "", row.state.message, row.state.hint]
            return "\n".join(line for line in lines if line) or None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            on = "on" if row.spec.enabled else "off"
            return ", ".join(part for part in (row.title, on, row.sentence, row.state.device, row.timing) if part)
        return None

    @override
    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or not index.isValid():
            return False
        self.enable_requested.emit(self.rows[index.row()].spec.id, Qt.CheckState(value) is Qt.CheckState.Checked)
        return True

    @override
    def flags(self, index: Index) -> Qt.ItemFlag:
        flag = Qt.ItemFlag
        if not index.isValid():
            return flag.ItemIsDropEnabled
        return flag.ItemIsEnabled | flag.ItemIsSelectable | flag.ItemIsUserCheckable | flag.ItemIsDragEnabled

    # Dragging ----------------------------------------------------------------------------------------------------

    @override
    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    @override
    def mimeTypes(self) -> list[str]:
        return [STAGE_MIME]

    @override
    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        data = QMimeData()
        ids = [self.rows[index.row()].spec.id for index in indexes if index.isValid()]
        data.setData(STAGE_MIME, json.dumps(ids).encode())
        return data

    @override
    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        if action == Qt.DropAction.IgnoreAction or not data.hasFormat(STAGE_MIME):
            return False
        (stage_id,) = json.loads(bytes(data.data(STAGE_MIME).data()))[:1] or ("",)
        at = self.row_of(stage_id)
        if at < 0:
            return False
        to = len(self.rows) if row < 0 else row
        # The gap that it leaves moves everything behind it up by one.
        to -= to > at
        if to != at:
            self.move_requested.emit(stage_id, to)
        return True
