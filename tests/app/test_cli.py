from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import jsonschema
import pytest
from typer.testing import CliRunner

from scenescope.app.cli import DEFAULT_PRESET, app
from scenescope.pipelines import STAGES, PipelineSpec, presets

# Many processes, files or windows: not part of the quick loop.
pytestmark = pytest.mark.slow

Cli = Callable[..., subprocess.CompletedProcess[str]]


def call(*args: str):
    return CliRunner().invoke(app, list(args))


def test_help_and_version():
    for command in ("run", "demo", "gui", "doctor", "devices", "models", "stages", "schema"):
        assert command in call("--help").stdout
        assert call(command, "--help").exit_code == 0
    assert call("--version").stdout.startswith("scenescope 0.")


def test_the_default_preset_is_the_one_of_the_pipelines():
    assert presets.DEFAULT == DEFAULT_PRESET


def test_the_command_line_answers_before_anything_heavy_is_imported():
    code = (
        "import sys, scenescope.app.cli; "
        "print(*sorted({name.split('.')[0] for name in sys.modules} & "
        "{'numpy', 'cv2', 'av', 'PySide6', 'pydantic', 'torch', 'onnxruntime', 'rich'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("", "rich")


def test_models_list():
    text = call("models", "list").stdout
    assert "nanodet_g_416_coco" in text
    assert "Apache-2.0" in text
    rows = json.loads(call("models", "list", "--json").stdout)
    nanodet = next(row for row in rows if row["name"] == "nanodet_g_416_coco")
    assert nanodet["intact"] is True
    assert nanodet["size_bytes"] > 1e6
    assert len(nanodet["sha256"]) == 64


def test_stages_list():
    assert "Detect objects" in call("stages", "list").stdout
    rows = json.loads(call("stages", "list", "--json").stdout)
    assert [row["kind"] for row in rows] == STAGES.names()
    detect = next(row for row in rows if row["kind"] == "detect")
    assert detect["params"]["properties"]["confidence"]["default"] == 0.3
    assert (detect["distribution"], detect["problem"]) == ("scenescope", "")


def test_a_broken_plugin_is_a_row_with_its_problem(monkeypatch):
    from importlib.metadata import EntryPoint

    entry = EntryPoint("ghost", "no_such_module_anywhere:Ghost", "scenescope.stages")
    monkeypatch.setitem(STAGES._found(), "ghost", entry)
    rows = json.loads(call("stages", "list", "--json").stdout)
    ghost = next(row for row in rows if row["kind"] == "ghost")
    assert "no_such_module_anywhere" in ghost["problem"]
    assert "ghost" in call("stages", "list").stdout


def test_devices(cli: Cli):
    found = json.loads(cli("devices", "--json").stdout)
    assert set(found) == {"cameras", "compute"}
    for camera in found["cameras"]:
        assert {"name", "id", "default", "formats"} == set(camera)
    assert {"runtime": "onnxruntime", "device": "CPU"}.items() <= next(
        row for row in found["compute"] if row["runtime"] == "onnxruntime" and row["device"] == "CPU"
    ).items()
    assert "onnxruntime" in cli("devices").stdout


def test_the_schema_accepts_the_presets_and_refuses_nonsense():
    schema = json.loads(call("schema").stdout)
    for preset in presets.bundled():
        jsonschema.validate(json.loads(preset.spec.model_dump_json()), schema)
    assert PipelineSpec.json_schema() == schema
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stages": [{"id": "a b", "kind": "blur"}]}, schema)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
@pytest.mark.parametrize("command", [(), ("gui",), ("demo",)])
def test_without_a_display_the_headless_command_is_named(cli: Cli, command):
    done = cli(*command, DISPLAY=None, WAYLAND_DISPLAY=None, QT_QPA_PLATFORM=None)
    assert done.returncode == 2
    assert "There is no display" in done.stderr
    assert "scenescope run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the display of X11")
def test_a_display_that_does_not_answer_does_not_abort_the_process(cli: Cli):
    done = cli("demo", DISPLAY=":987", WAYLAND_DISPLAY=None, QT_QPA_PLATFORM=None)
    assert done.returncode == 2
    assert "The display ':987' does not answer." in done.stderr


def test_a_bug_is_told_without_a_traceback_unless_asked_for(monkeypatch):
    def broken():
        raise ZeroDivisionError("of the test")

    monkeypatch.setattr("scenescope.app.listing.models", broken)
    plain, full = call("models", "list"), call("--debug", "models", "list")
    assert plain.exit_code == full.exit_code == 1
    assert "ZeroDivisionError: of the test" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback" in full.stderr
    monkeypatch.setenv("SCENESCOPE_DEBUG", "1")
    assert "Traceback" in call("models", "list").stderr
