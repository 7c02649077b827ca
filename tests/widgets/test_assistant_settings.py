"""The assistant's settings, its servers, the question for consent, and the list of what was sent."""

from __future__ import annotations

import csv
import io
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from scenescope.models import AssistantError
from scenescope.models.language import Picture, Reach
from scenescope.pipelines.log.talk import EgressRecord, EgressTotal
from scenescope.widgets import assistant_egress
from scenescope.widgets.assistant_choices import (
    EndpointFields,
    LocalRow,
    ServerRow,
    agreements_of,
    min_interval_s,
    servers_of,
)
from scenescope.widgets.assistant_egress import ConsentDialog, EgressDialog, as_csv
from scenescope.widgets.assistant_server import ServerDialog
from scenescope.widgets.assistant_settings import AssistantSettingsDialog
from scenescope.widgets.settings import MemorySettings

SERVER = {"id": "a", "name": "Box", "url": "http://box:1/v1", "model": "m"}
AGREED = [
    {"host": "b.org", "scheme": "https", "reach": "INTERNET"},
    {"host": "a.org", "scheme": "http", "reach": "YOUR_NETWORK"},
]
ROWS = [
    EgressRecord(86_400.0, "api.example.org", "Internet", 2, 2_000, "describe"),
    EgressRecord(0.0, "=cmd()", "Internet", 1, 500, 'look, "closely"'),
]


class MemoryKeys:
    """Keys in memory; fails when it is told to."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.error: Exception | None = None

    def get(self, name: str) -> str:
        return self.kept.get(name, "")

    def set(self, name: str, key: str) -> None:
        if self.error is not None:
            raise self.error
        self.kept[name] = key

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)


def probe(fields: EndpointFields, report, cancelled) -> list[str]:
    report("Models", f"found with '{fields.key}'")
    return ["one", "two"]


@pytest.fixture
def keys() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def settings() -> MemorySettings:
    return MemorySettings({"assistant.servers": [SERVER], "assistant.consent": AGREED})


@pytest.fixture
def dialog(qtbot, settings, keys):
    local = [LocalRow("s", "SmolVLM", "1 GB", "Apache-2.0"), LocalRow("t", "Tiny", "1 MB", "MIT", ready=False)]
    dialog = AssistantSettingsDialog(settings, keys, probe, lambda _: Reach.THIS_COMPUTER, lambda: local)
    qtbot.addWidget(dialog)
    dialog.show()
    yield dialog
    dialog.close()


@pytest.fixture
def make_server(qtbot, keys):
    made = []

    def make(server: ServerRow | None = None, probe=probe, reach_of=lambda _: Reach.INTERNET) -> ServerDialog:
        dialog = ServerDialog(server, keys, probe, reach_of)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(dialog)
        dialog.show()
        made.append(dialog)
        return dialog

    yield make
    for dialog in made:
        dialog.reject()


# What stands in the settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [None, 7, "x", {}, [7], [{}], [{"id": 1, "url": "u"}], [{"id": "a", "url": ""}]])
def test_what_is_no_server_is_left_out(kept):
    settings = MemorySettings({"assistant.servers": kept, "assistant.consent": kept})
    assert servers_of(settings) == []
    assert agreements_of(settings) == []


@pytest.mark.parametrize(
    ("kept", "seconds"),
    [(5, 5.0), (0, 3.0), (1.0, 3.0), (1e9, 3600.0), ("5", 3.0), (None, 3.0), (True, 3.0), (float("nan"), 3.0)],
)
def test_the_interval_is_within_bounds(kept, seconds):
    assert min_interval_s(MemorySettings({"assistant.min_interval_s": kept})) == seconds


# The dialog ------------------------------------------------------------------------------------------------------


def test_roles_are_chosen_apart(dialog, settings):
    told = []
    dialog.changed.connect(told.append)
    combo = dialog.roles["assistant.answer_with"]
    assert [combo.itemData(at) for at in range(combo.count())] == ["rules", "local:s", "local:t", "server:a"]
    assert combo.itemText(2) == "Tiny (not downloaded, 1 MB)"
    assert dialog.roles["assistant.describe_with"].findData("off") >= 0
    combo.setCurrentIndex(3)
    combo.activated.emit(3)
    assert settings.values["assistant.answer_with"] == "server:a"
    assert "assistant.describe_with" not in settings.values
    assert told == ["assistant.answer_with"]


def test_a_choice_that_is_gone_is_still_shown(qtbot, keys):
    settings = MemorySettings({"assistant.answer_with": "local:gone"})
    dialog = AssistantSettingsDialog(settings, keys, probe, lambda _: None)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.roles["assistant.answer_with"].currentText() == "local:gone (not here any more)"
    dialog.close()


def test_a_removed_server_comes_back_with_its_role(qtbot, dialog, settings, keys):
    keys.kept["a"] = "secret"
    settings.set("assistant.answer_with", "server:a")
    dialog.remove.click()
    assert settings.values["assistant.servers"] == []
    assert settings.values["assistant.answer_with"] == "rules"
    dialog.notice.button.click()
    assert settings.values["assistant.servers"] == [SERVER]
    assert settings.values["assistant.answer_with"] == "server:a"
    assert keys.kept == {"a": "secret"}
    dialog.remove.click()
    dialog.close()
    qtbot.waitUntil(lambda: keys.kept == {})


def test_consent_is_revoked_and_history_switched_off(dialog, settings):
    told = []
    dialog.changed.connect(told.append)
    texts = [dialog.hosts.item(row).text() for row in range(dialog.hosts.count())]
    assert texts == ["b.org  ·  internet  ·  encrypted", "a.org  ·  your network  ·  not encrypted"]
    dialog.hosts.setCurrentRow(1)
    dialog.revoke.click()
    assert settings.values["assistant.consent"] == AGREED[:1]
    assert told == ["assistant.consent"]
    dialog.history.click()
    assert settings.values["assistant.history"] is False
    dialog.interval.setValue(9)
    assert settings.values["assistant.min_interval_s"] == 9.0


def test_no_key_is_written_to_the_settings(qtbot, dialog, settings, keys):
    dialog.add.click()
    server = dialog.findChild(ServerDialog)
    server.url.setText("http://new:8/v1")
    server.key.setText("s3cret")
    server.save.click()
    qtbot.waitUntil(lambda: len(settings.values["assistant.servers"]) == 2)
    row = settings.values["assistant.servers"][1]
    assert keys.kept == {row["id"]: "s3cret"}
    assert "s3cret" not in str(settings.values)
    assert row["name"] == "http://new:8/v1"


# One server ------------------------------------------------------------------------------------------------------


def test_a_test_tells_each_step_and_fills_the_models(qtbot, make_server, keys):
    keys.kept["a"] = "kept"
    dialog = make_server(ServerRow(**SERVER))
    dialog.test.click()
    qtbot.waitUntil(lambda: dialog.model.count() == 2)
    assert dialog.steps.item(0).text() == "Models: found with 'kept'"
    assert dialog.model.currentText() == "m"
    assert dialog.test.text() == "&Test connection"


@pytest.mark.parametrize(
    ("error", "said"),
    [(AssistantError("Refused.", hint="Check the key."), "Refused. Check the key."), (OSError("no"), "OSError: no")],
)
def test_a_test_that_fails_says_why(qtbot, make_server, error, said):
    def fail(fields, report, cancelled):
        raise error

    dialog = make_server(ServerRow(**SERVER), probe=fail)
    dialog.test.click()
    qtbot.waitUntil(lambda: dialog.problem.text() == said)


def test_a_test_is_stopped_and_tells_no_more(qtbot, make_server):
    begun, ended = threading.Event(), threading.Event()

    def slow(fields, report, cancelled):
        begun.set()
        assert cancelled.wait(10)
        report("Models", "too late")
        ended.set()
        return ["late"]

    dialog = make_server(ServerRow(**SERVER), probe=slow)
    dialog.test.click()
    assert begun.wait(5)
    dialog.test.click()
    assert ended.wait(5)
    qtbot.wait(20)
    assert [dialog.steps.item(at).text() for at in range(dialog.steps.count())] == ["Test: stopped"]
    assert dialog.model.count() == 0


def test_closing_stops_the_test(qtbot, make_server):
    begun, ended = threading.Event(), threading.Event()

    def slow(fields, report, cancelled):
        begun.set()
        cancelled.wait(10)
        ended.set()
        return []

    dialog = make_server(ServerRow(**SERVER), probe=slow)
    dialog.test.click()
    assert begun.wait(5)
    dialog.reject()
    assert ended.wait(5)


def test_the_reach_follows_the_url(qtbot, make_server):
    dialog = make_server(reach_of=lambda url: Reach.THIS_COMPUTER if "localhost" in url else None)
    assert not dialog.save.isEnabled()
    dialog.url.setText("http://localhost:1")
    qtbot.waitUntil(lambda: dialog.reach.text() == Reach.THIS_COMPUTER.value)
    dialog.url.setText("http://elsewhere")
    assert dialog.reach.text() != Reach.THIS_COMPUTER.value


def test_a_key_that_cannot_be_kept_keeps_the_dialog_open(qtbot, make_server, keys):
    keys.error = AssistantError("The keyring is locked.", hint="Unlock it.")
    dialog = make_server(ServerRow(**SERVER))
    saved = []
    dialog.saved.connect(saved.append)
    dialog.key.setText("x")
    dialog.save.click()
    qtbot.waitUntil(lambda: dialog.problem.text() == "The keyring is locked. Unlock it.")
    assert dialog.isVisible()
    assert saved == []


def test_a_key_that_lasts_until_the_program_ends_is_told_and_the_server_kept(qtbot, make_server, keys, monkeypatch):
    def put(name: str, key: str) -> None:
        keys.kept[name] = key
        raise AssistantError("The key is not in the keyring: there is none.", hint="It works until then.")

    monkeypatch.setattr(keys, "set", put)
    dialog = make_server(ServerRow(**SERVER))
    dialog.key.setText("x")
    saved, noted = [], []
    dialog.saved.connect(saved.append)
    dialog.noted.connect(noted.append)
    dialog.save.click()
    qtbot.waitUntil(lambda: noted == ["The key is not in the keyring: there is none. It works until then."])
    assert [row.id for row in saved] == [SERVER["id"]]


def test_a_kept_key_is_told_and_forgotten(qtbot, make_server, keys):
    keys.kept["a"] = "x"
    dialog = make_server(ServerRow(**SERVER))
    qtbot.waitUntil(dialog.forget.isVisible)
    assert dialog.key.text() == ""
    dialog.forget.click()
    qtbot.waitUntil(lambda: not dialog.forget.isVisible())
    assert keys.kept == {}


# Consent and what was sent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape])
def test_consent_is_never_given_by_accident(qtbot, key):
    dialog = ConsentDialog("api.example.org", Reach.INTERNET, Picture(b"broken", 1, 1.0, (1, 1)))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    accepted = []
    dialog.accepted.connect(lambda: accepted.append(True))
    dialog.show()
    assert not dialog.yes.isDefault()
    assert not dialog.yes.autoDefault()
    assert not dialog.yes.hasFocus()
    qtbot.keyClick(dialog, key)
    assert not accepted
    dialog.yes.click()
    assert accepted == [True]
    dialog.close()


@pytest.mark.parametrize("readable", [True, False])
def test_what_has_changed_since_a_consent_and_who_can_read_it_is_said(qtbot, readable):
    change = "nas.lan was on your network when you agreed; now it is on the internet."
    dialog = ConsentDialog("nas.lan", Reach.INTERNET, readable=readable, change=change)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    words = " ".join(label.text() for label in dialog.findChildren(QLabel))
    for text in (words, dialog.accessibleDescription()):
        assert change in text
        assert ("not encrypted" in text) is readable


def test_csv_is_read_back_and_holds_no_formula():
    rows = list(csv.reader(io.StringIO(as_csv(ROWS))))
    assert rows[1] == ["1970-01-02T00:00:00Z", "api.example.org", "Internet", "2", "2000", "describe"]
    assert rows[2][1] == "'=cmd()"
    assert rows[2][5] == 'look, "closely"'


class MemorySent:
    """What was sent, in memory."""

    def __init__(self, rows):
        self.rows = rows

    def egress(self, limit):
        return self.rows[:limit]

    def all_egress(self):
        yield from self.rows

    def egress_total(self):
        return EgressTotal(len(self.rows), sum(row.pictures for row in self.rows), sum(row.bytes for row in self.rows))

    def clear_egress(self):
        self.rows = []


def test_what_was_sent_is_listed_copied_and_cleared_after_a_question(qtbot):
    sent = MemorySent(ROWS)
    dialog = EgressDialog(sent)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.table.rowCount() == 2)
    assert dialog.table.item(0, 1).text() == "api.example.org"
    assert dialog.said.text() == "3 pictures in 2 sendings, 2.5 kB"
    dialog.copy.click()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == as_csv(ROWS))
    dialog.clear.click()
    assert sent.rows
    dialog.notice.button.click()
    qtbot.waitUntil(lambda: dialog.said.text() == "Nothing was sent.")
    assert not sent.rows
    dialog.close()


def test_more_than_is_shown_is_said_and_copied(qtbot, monkeypatch):
    monkeypatch.setattr(assistant_egress, "MOST_SHOWN", 1)
    dialog = EgressDialog(MemorySent(ROWS))
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: dialog.table.rowCount() == 1)
    assert dialog.said.text() == "3 pictures in 2 sendings, 2.5 kB. Shown are the newest 1 of 2."
    dialog.copy.click()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() == as_csv(ROWS))
    dialog.close()


def test_a_table_that_cannot_be_read_says_so(qtbot):
    class Broken(MemorySent):
        def egress(self, limit):
            raise OSError("disk")

    dialog = EgressDialog(Broken([]))
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(dialog.notice.isVisible)
    assert "disk" in dialog.notice.hint.text()
    dialog.close()
