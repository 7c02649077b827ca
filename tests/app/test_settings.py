from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from scenescope.app.settings import Environment, Settings, change_environment, variable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "settings.json"


@pytest.mark.parametrize(
    ("value", "default"),
    [(True, False), (3, 0), (2.5, 0.0), ("dark", ""), ([1, "a"], []), ({"a": [1]}, {}), ((1, 2), (0, 0)), ("x", None)],
)
def test_values_come_back_with_their_types(path, value, default):
    Settings(path).set("window.thing", value)
    again = Settings(path).get("window.thing", default)
    assert again == value
    assert type(again) is type(value)


def test_what_is_missing_or_of_another_type_is_the_default(path):
    settings = Settings(path)
    assert settings.get("a", 5) == 5
    assert settings.get("a") is None
    settings.set("a", "text")
    assert settings.get("a", 5) == 5
    settings.set("b", 2)
    assert settings.get("b", 1.5) == 2.0
    assert settings.get("b", False) is False
    settings.set("b", None)
    assert settings.get("b", 7) == 7


def test_a_damaged_file_is_set_aside_with_a_notice(path):
    path.parent.mkdir()
    path.write_text('{"theme": "da')
    settings = Settings(path)
    assert "damaged" in settings.notice
    assert settings.get("theme", "light") == "light"
    assert path.with_name("settings.json.damaged").read_text() == '{"theme": "da'
    settings.set("theme", "dark")
    fresh = Settings(path)
    assert (fresh.get("theme", ""), fresh.notice) == ("dark", "")


@pytest.mark.parametrize("content", [b"[1, 2]", b"\xff\xfe\x00", b""])
def test_other_damage(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    settings = Settings(path)
    assert settings.notice
    settings.set("a", 1)
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_folder_that_cannot_be_written_to_costs_the_memory_not_the_program(tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = Settings(tmp_path / "file" / "settings.json")
    settings.set("a", 1)
    assert settings.get("a", 0) == 1
    assert "cannot be" in settings.notice


def test_many_threads_leave_one_whole_file(path):
    settings = Settings(path)

    def write(number: int) -> None:
        for step in range(20):
            settings.set(f"key{number}", step)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(path.read_text()) == {f"key{number}": 19 for number in range(6)}
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(("text", "on"), [("1", True), ("yes", True), ("0", False), ("", False), ("False", False)])
def test_switches_of_the_environment(monkeypatch, text, on):
    monkeypatch.setenv("SCENESCOPE_OFFLINE", text)
    monkeypatch.setenv("SCENESCOPE_DEBUG", text)
    environment = Environment.read()
    assert (environment.offline, environment.debug) == (on, on)


def test_folders_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESCOPE_CONFIG_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("SCENESCOPE_DATA_DIR", str(tmp_path / "d"))
    environment = Environment.read()
    assert (environment.config_dir, environment.data_dir) == (tmp_path / "c", tmp_path / "d")
    assert environment.presets_dir == tmp_path / "c" / "presets"
    monkeypatch.delenv("SCENESCOPE_CONFIG_DIR")
    assert Environment.read().config_dir.name == "scenescope"


def test_changing_the_environment(monkeypatch):
    monkeypatch.setenv("SCENESCOPE_TEST_A", "1")
    change_environment({"SCENESCOPE_TEST_A": None, "SCENESCOPE_TEST_B": "2"})
    assert (variable("SCENESCOPE_TEST_A"), variable("SCENESCOPE_TEST_B")) == ("", "2")
    change_environment({"SCENESCOPE_TEST_B": None})
