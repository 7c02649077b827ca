"""AssistantSettingsDialog: who describes and who answers, the servers, and what may leave this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.widgets.assistant_choices import (
    ANSWER_WITH,
    CONSENT,
    DESCRIBE_WITH,
    HISTORY,
    INTERVALS_S,
    MIN_INTERVAL_S,
    MOST_SERVERS,
    OFF,
    RULES,
    SERVERS,
    Agreement,
    Keys,
    LocalRow,
    Probe,
    ReachOf,
    ServerRow,
    agreements_of,
    min_interval_s,
    put_agreements,
    put_servers,
    servers_of,
)
from scenescope.widgets.assistant_parts import plain_label
from scenescope.widgets.assistant_server import ServerDialog
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.dialog_parts import dialog_button, in_words
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.settings import Settings

__all__ = ["AssistantSettingsDialog"]

ROLES = (
    (DESCRIBE_WITH, "Who &describes", "Who puts the scene into words, and looks at pictures"),
    (ANSWER_WITH, "Who &answers", "Who answers what you ask, and drives the app"),
)


class AssistantSettingsDialog(QDialog):
    """Beside the window, which goes on. What is chosen holds at once.

    Args:
        settings: where choices are kept, under the names of :mod:`~scenescope.widgets.assistant_choices`.
        keys: where the keys of servers are kept.
        probe: tries a server.
        reach_of: tells how far away a URL is.
        local_models: those that can run on this computer; called in the GUI thread.

    Signals:
        changed: a setting, by its name.
        models_requested: the dialog of models is wanted.
    """

    changed = Signal(str)
    models_requested = Signal()

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        probe: Probe,
        reach_of: ReachOf,
        local_models: Callable[[], Sequence[LocalRow]] = tuple,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Assistant settings")
        self.resize(560, 460)
        self._settings, self._keys, self._probe, self._reach_of = settings, keys, probe, reach_of
        self._local_models = local_models
        self._removed: tuple[int, ServerRow, list[str]] | None = None
        self._reader = EventReader("assistant keys", self)
        self.notice = Banner()
        self.notice.pressed.connect(self._undo_remove)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self._who_tab(), "&Who")
        self.tabs.addTab(self._server_tab(), "&Servers")
        self.tabs.addTab(self._privacy_tab(), "&Privacy")
        close = dialog_button("Close", self.close, "Close this window (Esc)")
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(close)
        column = QVBoxLayout(self)
        column.addWidget(self.notice)
        column.addWidget(self.tabs, 1)
        column.addLayout(bottom)
        self.refresh()

    # Building ----------------------------------------------------------------------------------------------------

    def _who_tab(self) -> QWidget:
        page = QWidget()
        form = QFormLayout()
        self.roles: dict[str, QComboBox] = {}
        for setting, title, tip in ROLES:
            combo = self.roles[setting] = QComboBox()
            combo.setAccessibleName(title.replace("&", ""))
            combo.setToolTip(tip)
            combo.setMinimumContentsLength(12)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.activated.connect(lambda _at, setting=setting: self._choose(setting))
            form.addRow(title, combo)
        self.interval = QDoubleSpinBox()
        self.interval.setRange(*INTERVALS_S)
        self.interval.setDecimals(0)
        self.interval.setSuffix(" s")
        self.interval.setKeyboardTracking(False)
        self.interval.setAccessibleName("Least time between descriptions")
        self.interval.setToolTip("A slow model is asked less often than this")
        self.interval.setValue(min_interval_s(self._settings))
        self.interval.valueChanged.connect(lambda value: self._set(MIN_INTERVAL_S, value))
        form.addRow("Describe at &most every", self.interval)
        self.locals = QListWidget()
        self.locals.setSpacing(2)
        self.locals.setAccessibleName("Models for this computer")
        self.locals.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        models = dialog_button("&Models...", self.models_requested.emit, "Download and delete models")
        row = QHBoxLayout()
        row.addWidget(plain_label("Models for this computer; no picture leaves it:"), 1)
        row.addWidget(models)
        column = QVBoxLayout(page)
        column.addLayout(form)
        column.addLayout(row)
        column.addWidget(self.locals, 1)
        return page

    def _server_tab(self) -> QWidget:
        page = QWidget()
        self.servers = QListWidget()
        self.servers.setSpacing(2)
        self.servers.setAccessibleName("Servers")
        self.servers.itemActivated.connect(lambda _item: self._edit())
        self.servers.currentRowChanged.connect(self._enable)
        self.add = dialog_button("&Add...", lambda: self._open_server(None), "Add an OpenAI-compatible server")
        self.edit = dialog_button("&Edit...", self._edit, "Change the chosen server (Enter)")
        self.remove = dialog_button("&Remove", self._remove, "Remove the chosen server; this can be undone")
        row = QHBoxLayout()
        for button in (self.add, self.edit, self.remove):
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(page)
        column.addWidget(self.servers, 1)
        column.addLayout(row)
        return page

    def _privacy_tab(self) -> QWidget:
        page = QWidget()
        self.history = QCheckBox("&Keep conversations on this computer")
        self.history.setToolTip("Without pictures, in the file of the event log")
        self.history.setChecked(self._settings.get(HISTORY, True) is True)
        self.history.toggled.connect(lambda on: self._set(HISTORY, on))
        self.hosts = QListWidget()
        self.hosts.setAccessibleName("Hosts that pictures may be sent to")
        self.hosts.currentRowChanged.connect(self._enable)
        self.revoke = dialog_button("&Revoke", self._revoke, "Send no more pictures to the chosen host without asking")
        column = QVBoxLayout(page)
        column.addWidget(self.history)
        column.addSpacing(8)
        column.addWidget(plain_label("You have agreed that pictures are sent to:"))
        column.addWidget(self.hosts, 1)
        column.addWidget(self.revoke, 0, Qt.AlignmentFlag.AlignLeft)
        return page

    # What is shown -----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read settings and models anew."""
        local, servers = list(self._local_models()), servers_of(self._settings)
        choices = [(RULES, "Rules, not AI"), *((row.key, row.words) for row in local)]
        choices += [(server.key, f"{server.name} (server)") for server in servers]
        for setting, combo in self.roles.items():
            wanted = self._settings.get(setting, RULES)
            combo.clear()
            nobody = [(OFF, "Nobody (off)")] if setting == DESCRIBE_WITH else []
            for key, title in [*choices, *nobody]:
                combo.addItem(title, key)
            if combo.findData(wanted) < 0:
                combo.addItem(f"{wanted} (not here any more)", wanted)
            combo.setCurrentIndex(combo.findData(wanted))
        self.locals.clear()
        for row in local:
            state = "ready" if row.ready else "to download"
            self.locals.addItem(f"{row.title}  ·  {row.size_text}  ·  {row.licence}  ·  {state}")
        if not local:
            self.locals.addItem("There are none. See 'Models...'.")
        chosen = self.servers.currentRow()
        self.servers.clear()
        for server in servers:
            item = QListWidgetItem("  ·  ".join(filter(None, (server.name, server.url, server.model))))
            item.setData(Qt.ItemDataRole.UserRole, server)
            self.servers.addItem(item)
        self.servers.setCurrentRow(min(max(chosen, 0), len(servers) - 1))
        self.hosts.clear()
        for agreement in agreements_of(self._settings):
            item = QListWidgetItem(agreement.words)
            item.setData(Qt.ItemDataRole.UserRole, agreement)
            self.hosts.addItem(item)
        self._enable()

    @Slot()
    def _enable(self) -> None:
        there = self.servers.currentRow() >= 0
        self.edit.setEnabled(there)
        self.remove.setEnabled(there)
        self.add.setEnabled(self.servers.count() < MOST_SERVERS)
        self.revoke.setEnabled(self.hosts.currentRow() >= 0)

    def _set(self, setting: str, value: object) -> None:
        self._settings.set(setting, value)
        self.changed.emit(setting)

    def _choose(self, setting: str) -> None:
        key = self.roles[setting].currentData()
        if key != self._settings.get(setting, RULES):
            self._set(setting, key)

    # Servers -----------------------------------------------------------------------------------------------------

    @property
    def current_server(self) -> ServerRow | None:
        """The chosen server."""
        item = self.servers.currentItem()
        row: ServerRow | None = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return row

    def _edit(self) -> None:
        if self.current_server is not None:
            self._open_server(self.current_server)

    def _open_server(self, server: ServerRow | None) -> None:
        dialog = ServerDialog(server, self._keys, self._probe, self._reach_of, self)
        dialog.saved.connect(self._saved)
        dialog.noted.connect(lambda note: self.notice.say(Level.WARNING, note))
        dialog.open()

    @Slot(object)
    def _saved(self, row: ServerRow) -> None:
        servers = servers_of(self._settings)
        places = [place for place, server in enumerate(servers) if server.id == row.id]
        if places:
            servers[places[0]] = row
        else:
            servers.append(row)
        self._put(servers)
        self.servers.setCurrentRow(places[0] if places else len(servers) - 1)

    def _put(self, servers: list[ServerRow]) -> None:
        put_servers(self._settings, servers)
        self.refresh()
        self.changed.emit(SERVERS)

    def _remove(self) -> None:
        server = self.current_server
        if server is None:
            return
        self._forget_removed()
        servers = servers_of(self._settings)
        roles = [setting for setting in self.roles if self._settings.get(setting) == server.key]
        self._removed = (servers.index(server), server, roles)
        servers.remove(server)
        for setting in roles:
            self._set(setting, RULES)
        self._put(servers)
        self.notice.say(Level.INFO, f"Removed {server.name}.", button="Undo", word="undo")
        self.notice.button.setFocus()

    @Slot()
    def _undo_remove(self) -> None:
        self.notice.hide()
        if self._removed is None:
            return
        (place, server, roles), self._removed = self._removed, None
        servers = servers_of(self._settings)
        servers.insert(place, server)
        for setting in roles:
            self._set(setting, server.key)
        self._put(servers)

    def _forget_removed(self) -> None:
        """The key of a server that was removed goes when its removal can no longer be undone."""
        if self._removed is not None:
            server_id, self._removed = self._removed[1].id, None
            self._reader.ask("", lambda: self._keys.delete(server_id), lambda _: None, self._key_stays)

    def _key_stays(self, error: Exception) -> None:
        self.notice.say(Level.WARNING, "The key of the removed server is still in the keyring.", in_words(error))

    # Consent -----------------------------------------------------------------------------------------------------

    def _revoke(self) -> None:
        item = self.hosts.currentItem()
        if item is not None:
            withdrawn: Agreement = item.data(Qt.ItemDataRole.UserRole)
            put_agreements(self._settings, [one for one in agreements_of(self._settings) if one != withdrawn])
            self.changed.emit(CONSENT)
            self.refresh()

    @override
    def done(self, result: int) -> None:
        self._forget_removed()
        self._reader.close(wait_s=0.0)
        super().done(result)
