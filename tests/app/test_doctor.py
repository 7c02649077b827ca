from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scenescope.app import doctor, environment
from scenescope.app.cli import app
from scenescope.app.doctor import Finding, Status
from scenescope.models.language.local.folders import ModelFolder

Check = Callable[[str], object]


def findings(check: Callable[[str], object]) -> list[Finding]:
    return list(check("x"))  # type: ignore[call-overload]


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESCOPE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("SCENESCOPE_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.slow
def test_here_the_main_job_can_run(cli):
    done = cli("doctor", "--json")
    assert done.returncode == 0, done.stdout
    rows = json.loads(done.stdout)
    assert {row["check"] for row in rows} == {name for name, _ in doctor.CHECKS} - (
        set() if sys.platform.startswith("linux") else {"Qt libraries"}
    )
    assert not [row for row in rows if row["blocks"]]
    assert all(row["status"] in ("ok", "note", "warn", "fail") and row["text"] for row in rows)
    text = cli("doctor", PYTHONIOENCODING="utf-8").stdout
    assert "✓ ok" in text
    assert "Scenescope can run here." in text
    assert "PySide6" in cli("doctor", PYTHONIOENCODING="ascii").stdout


def test_something_that_blocks_is_code_2(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (("x", lambda name: [Finding(name, Status.FAIL, "gone", "cure", True)]),))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert "fail" in result.stdout
    assert "cure" in result.stdout


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken(name: str):
        raise RuntimeError("of the test")

    monkeypatch.setattr(doctor, "CHECKS", (("x", broken),))
    (finding,) = doctor.examine()
    assert (finding.status, finding.blocks) == (Status.FAIL, False)
    assert "of the test" in finding.text


def test_the_trap_of_pyside_612_on_python_311(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: "6.12.0")
    monkeypatch.setattr(sys, "version_info", (3, 11, 9))
    (finding,) = findings(doctor.check_pyside)
    assert (finding.status, finding.blocks) == (Status.FAIL, True)
    assert finding.cure == 'pip install "PySide6>=6.8,<6.12"'
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert findings(doctor.check_pyside)[0].status is Status.OK


def test_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert findings(doctor.check_python)[0].blocks


def test_missing_and_old_packages(monkeypatch):
    versions = {"numpy": "1.26.4", "av": None}
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: versions.get(package, real(package)))
    found = {finding.text.split()[0]: finding for finding in findings(doctor.check_packages)}
    assert found["av"].blocks
    assert found["av"].cure == "pip install av"
    assert found["numpy"].status is Status.WARN
    assert found["numpy"].cure == 'pip install "numpy>=2.0"'
    assert found["typer"].status is Status.OK


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the libraries of Linux")
def test_missing_system_libraries_come_with_the_line_that_installs_them(monkeypatch):
    loaded = environment._loaded
    for gone, blocks in (("libEGL.so.1", True), ("libxcb-cursor.so.0", False)):
        monkeypatch.setattr(
            environment, "_loaded", lambda soname, gone=gone: None if soname == gone else loaded(soname)
        )
        hit = [finding for finding in findings(doctor.check_qt_libraries) if gone in finding.text]
        assert len(hit) == 1
        assert hit[0].blocks is blocks
        assert hit[0].cure.startswith("sudo apt-get install -y lib")


def test_both_builds_of_onnxruntime(monkeypatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda p: "1.20" if p.startswith("onnxruntime") else real(p))
    first, second = findings(doctor.check_onnxruntime)
    assert first.status is Status.WARN
    assert "overwrite each other" in first.text
    assert "really used: CPU" in second.text


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_installed_but_unusable(monkeypatch):
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    finding = findings(doctor.check_onnxruntime)[-1]
    if "really used: CUDA" not in finding.text:
        assert finding.status is Status.WARN
        assert "CUDA is installed, but its libraries cannot be loaded" in finding.cure


@pytest.mark.parametrize(
    ("module", "check"), [("cv2", "check_opencv"), ("onnxruntime", "check_onnxruntime"), ("av", "check_video")]
)
def test_a_library_that_cannot_be_loaded_blocks(monkeypatch, module, check):
    real = builtins.__import__

    def failing(name: str, *args: object, **kwargs: object) -> object:
        if name == module:
            raise ImportError("libsomething.so.1: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", failing)
    finding = findings(getattr(doctor, check))[-1]
    assert finding.blocks
    assert "libsomething.so.1" in finding.text
    assert finding.cure


def test_damaged_weights_block(monkeypatch):
    from scenescope.models.errors import ModelMissing

    def damaged(card: object) -> Path:
        raise ModelMissing("x.onnx is not the file that its card describes.", hint="Install Scenescope again.")

    monkeypatch.setattr("scenescope.models.cards.checked_file", damaged)
    assert all(finding.blocks and finding.cure for finding in findings(doctor.check_models))


def test_a_folder_that_cannot_be_written_to(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SCENESCOPE_DATA_DIR", str(tmp_path / "file" / "data"))
    settings, data = findings(doctor.check_folders)
    assert settings.status is Status.OK
    assert data.status is Status.WARN
    assert "SCENESCOPE_DATA_DIR" in data.cure


def test_extras_are_told_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: None if package == "rapidocr" else "9.9")
    found = {finding.text.split(":")[0]: finding for finding in findings(doctor.check_extras)}
    assert set(found) == set(doctor.EXTRAS)
    assert found["ocr"].status is Status.NOTE
    assert "scenescope[ocr]" in found["ocr"].cure
    assert found["torch"].status is Status.OK


def test_what_the_assistant_lacks_comes_with_its_cure(monkeypatch):
    monkeypatch.setattr("scenescope.models.language.server.keys.key_store_problem", lambda: "there is none")
    monkeypatch.setattr("scenescope.models.language.sentences.PACKAGE", "no_such_package")
    model, keys, search = findings(doctor.check_assistant)
    assert {finding.status for finding in (model, keys, search)} == {Status.NOTE}
    assert not any(finding.blocks for finding in (model, keys, search))
    assert "no model for descriptions" in model.text
    assert "'scenescope models get SmolVLM-256M-Instruct' (517 MB, Apache-2.0)" in model.cure
    assert "there is none" in keys.text
    assert "scenescope[search]" in search.cure


def test_what_the_assistant_has_is_told(monkeypatch):
    folder = ModelFolder(Path("x"), "SmolVLM-256M", "Apache-2.0", 1, 1)
    monkeypatch.setattr("scenescope.models.language.local.folders.local_models", lambda catalogue: [folder])
    monkeypatch.setattr("scenescope.models.language.server.keys.key_store_problem", lambda: "")
    found = findings(doctor.check_assistant)
    assert {finding.status for finding in found} == {Status.OK}
    assert "SmolVLM-256M" in found[0].text


def test_no_h264_encoder_is_a_warning(monkeypatch):
    monkeypatch.setattr("scenescope.pipelines.sinks.video.encoder_name", lambda: "mpeg4")
    (finding,) = findings(doctor.check_video)
    assert finding.status is Status.WARN
