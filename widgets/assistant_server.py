"""The dialog of one server: its address, its model, its key, and whether it can do what it is needed for."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models.errors import ScenescopeError
from scenescope.models.language import Reach
from scenescope.widgets.assistant_badge import reach_sign
from scenescope.widgets.assistant_choices import EndpointFields, Keys, Probe, ReachOf, ServerRow
from scenescope.widgets.assistant_parts import plain_label, sign
from scenescope.widgets.dialog_parts import dialog_button, in_words
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.theme import colours_of

__all__ = ["ProbeRun", "ServerDialog"]

TYPING_MS = 300
UNKNOWN_REACH = "Where this is cannot be told yet."


class ProbeRun(QObject):
    """One test of a server on a thread of its own; the window never waits for it.

    Signals:
        stepped: a step and what came of it.
        ended: the models, or the exception.
    """

    stepped = Signal(str, str)
    ended = Signal(object)
    _step = Signal(str, str)
    _end = Signal(object)

    def __init__(self, probe: Probe, fields: EndpointFields, keys: Keys, server_id: str, parent: QObject) -> None:
        super().__init__(parent)
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._probe, self._fields, self._keys, self._server_id = probe, fields, keys, server_id
        self._step.connect(self.stepped, Qt.ConnectionType.QueuedConnection)
        self._end.connect(self.ended, Qt.ConnectionType.QueuedConnection)
        threading.Thread(target=self._run, name="server test", daemon=True).start()

    def cancel(self) -> None:
        """End it, and tell nobody of it any more."""
        with self._lock:
            self._cancelled.set()

    def _report(self, step: str, result: str) -> None:
        with self._lock:
            if not self._cancelled.is_set():
                self._step.emit(step, result)

    def _run(self) -> None:
        outcome: Sequence[str] | Exception
        try:
            fields = self._fields
            if not fields.key:
                fields = EndpointFields(fields.url, fields.model, self._keys.get(self._server_id))
            outcome = self._probe(fields, self._report, self._cancelled)
        except Exception as error:
            outcome = error
        with self._lock:
            if not self._cancelled.is_set():
                self._end.emit(outcome)


class ServerDialog(QDialog):
    """Adds a server, or edits one. The key goes to where keys are kept, and nowhere else.

    Args:
        server: to be edited; None for a new one.
        keys: where keys are kept.
        probe: tries a server.
        reach_of: tells how far away a URL is.

    Signals:
        saved: the :class:`~scenescope.widgets.assistant_choices.ServerRow`, after its key has been kept.
        noted: why its key lasts only until the program ends.
    """

    saved = Signal(object)
    noted = Signal(str)

    def __init__(
        self, server: ServerRow | None, keys: Keys, probe: Probe, reach_of: ReachOf, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Add a server" if server is None else "Edit server")
        self.setMinimumWidth(420)
        self.resize(520, 480)
        self._id = server.id if server is not None else uuid.uuid4().hex[:12]
        self._keys, self._probe, self._reach_of = keys, probe, reach_of
        self._reader = EventReader("assistant server", self)
        self._run: ProbeRun | None = None
        self._build(server or ServerRow(self._id, "", ""))
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MS)
        self._soon.timeout.connect(self._look_up_reach)
        self.url.textChanged.connect(self._url_typed)
        self._url_typed()
        self._reader.ask("kept", lambda: bool(keys.get(self._id)), self._show_kept, self._show_problem)

    def _build(self, server: ServerRow) -> None:
        self.url = QLineEdit(server.url)
        self.url.setPlaceholderText("http://localhost:8080/v1")
        self.url.setToolTip("The base URL of an OpenAI-compatible server: llama.cpp, Ollama, LM Studio, vLLM, hosted")
        self.name = QLineEdit(server.name)
        self.name.setPlaceholderText("As you want to call it")
        self.name.setMaxLength(60)
        self.model = QComboBox()
        self.model.setEditable(True)
        self.model.setEditText(server.model)
        line = self.model.lineEdit()
        if line is not None:
            line.setPlaceholderText("The one that the server has")
        self.model.setToolTip("Filled when the connection is tested")
        self.key = QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.key.setPlaceholderText("None")
        self.key.setToolTip("Kept in the keyring of this system, never in the settings")
        self.forget = dialog_button("&Forget key", self._forget_key, "Take the kept key out of the keyring")
        self.forget.hide()
        self._reach_sign, self.reach = QLabel(), plain_label(wraps=False)
        self.steps = QListWidget()
        self.steps.setAccessibleName("Results of the test")
        self.steps.setMinimumHeight(110)
        self.problem = plain_label()
        self.problem.setObjectName("problem")
        self.problem.hide()
        where, key = QHBoxLayout(), QHBoxLayout()
        where.addWidget(self._reach_sign)
        where.addWidget(self.reach, 1)
        key.addWidget(self.key, 1)
        key.addWidget(self.forget)
        form = QFormLayout()
        for title, field in (("&URL", self.url), ("&Name", self.name), ("&Model", self.model)):
            form.addRow(title, field)
            field.setAccessibleName(title.replace("&", ""))
            if field is self.url:
                form.addRow("", where)
        form.addRow("&Key", key)
        label = form.labelForField(key)
        if isinstance(label, QLabel):
            label.setBuddy(self.key)
        self.key.setAccessibleName("Key")
        self.test = dialog_button(
            "&Test connection", self._test, "Try what the server can do; no picture of yours is sent"
        )
        self.save = dialog_button("&Save", self._save, "Keep this server")
        self.save.setObjectName("primary")
        cancel = dialog_button("Cancel", self.reject, "Change nothing (Esc)")
        buttons = QHBoxLayout()
        buttons.addWidget(self.test)
        buttons.addStretch(1)
        buttons.addWidget(self.save)
        buttons.addWidget(cancel)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.steps, 1)
        column.addWidget(self.problem)
        column.addLayout(buttons)

    # Where it is -------------------------------------------------------------------------------------------------

    @Slot()
    def _url_typed(self) -> None:
        there = bool(self.url.text().strip())
        self.save.setEnabled(there)
        self.test.setEnabled(there)
        self._reader.cancel("reach")
        self._show_reach(None)
        self._soon.start()

    @Slot()
    def _look_up_reach(self) -> None:
        url = self.url.text().strip()
        if url:
            self._reader.ask("reach", lambda: self._reach_of(url), self._show_reach, lambda _: self._show_reach(None))

    def _show_reach(self, reach: Reach | None) -> None:
        self.reach.setText(reach.value if reach is not None else UNKNOWN_REACH)
        self._reach_sign.setVisible(reach is not None)
        if reach is not None:
            name, ink = reach_sign(reach, colours_of(self))
            self._reach_sign.setPixmap(sign(name, ink, self, 18))

    # Testing -----------------------------------------------------------------------------------------------------

    def _test(self) -> None:
        if self._run is not None:
            self._end_test()
            self._step("Test", "stopped")
            return
        self.steps.clear()
        self.problem.hide()
        fields = EndpointFields(self.url.text().strip(), self.model.currentText().strip(), self.key.text())
        self._run = ProbeRun(self._probe, fields, self._keys, self._id, self)
        self._run.stepped.connect(self._step)
        self._run.ended.connect(self._tested)
        self.test.setText("&Stop the test")

    @Slot(str, str)
    def _step(self, step: str, result: str) -> None:
        for row in range(self.steps.count()):
            item = self.steps.item(row)
            if item.data(Qt.ItemDataRole.UserRole) == step:
                break
        else:
            self.steps.addItem("")
            item = self.steps.item(self.steps.count() - 1)
            item.setData(Qt.ItemDataRole.UserRole, step)
        item.setText(f"{step}: {result}")
        self.steps.scrollToItem(item)

    @Slot(object)
    def _tested(self, outcome: Sequence[str] | Exception) -> None:
        self._end_test()
        if isinstance(outcome, Exception):
            self._show_problem(outcome)
            return
        chosen = self.model.currentText()
        self.model.clear()
        self.model.addItems([str(name) for name in outcome])
        self.model.setEditText(chosen or (str(outcome[0]) if outcome else ""))

    def _end_test(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self._run.deleteLater()
            self._run = None
        self.test.setText("&Test connection")

    # Keeping -----------------------------------------------------------------------------------------------------

    def _show_kept(self, kept: bool) -> None:
        self.key.setPlaceholderText("A key is kept; type another to replace it" if kept else "None")
        self.forget.setVisible(kept)

    def _forget_key(self) -> None:
        self._reader.ask(
            "key", lambda: self._keys.delete(self._id), lambda _: self._show_kept(False), self._show_problem
        )

    def _show_problem(self, error: Exception) -> None:
        self.problem.setText(in_words(error))
        self.problem.setAccessibleName(f"Problem: {self.problem.text()}")
        self.problem.show()
        self.save.setEnabled(True)

    def _save(self) -> None:
        url, key = self.url.text().strip(), self.key.text().strip()
        name = self.name.text().strip() or url
        row = ServerRow(self._id, name, url, self.model.currentText().strip())
        if not key:
            self._keep(row)
            return
        self.save.setEnabled(False)
        self._reader.ask("key", lambda: self._put_key(key), lambda note: self._keep(row, note), self._show_problem)

    def _put_key(self, key: str) -> str:
        """Keep the key, on the thread; a sentence where it lasts only until the program ends."""
        try:
            self._keys.set(self._id, key)
        except ScenescopeError as error:
            if self._keys.get(self._id) != key:
                raise
            return in_words(error)
        return ""

    def _keep(self, row: ServerRow, note: str = "") -> None:
        self.saved.emit(row)
        if note:
            self.noted.emit(note)
        self.accept()

    @override
    def done(self, result: int) -> None:
        self._end_test()
        self._soon.stop()
        # A keyring or a name server that hangs must not hold the window up.
        self._reader.close(wait_s=0.0)
        super().done(result)
