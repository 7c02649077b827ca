"""``scenescope models``: what it prints, what it asks, and how it ends."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scenescope.app.cli import app
from scenescope.models.cards import load_card
from scenescope.models.catalogue import Catalogue, current
from scenescope.models.catalogue.fakes import FakeServer

pytestmark = pytest.mark.slow

Cli = Callable[..., subprocess.CompletedProcess[str]]

WEIGHTS = bytes(range(256)) * 4_000


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
        about = {"cardData": {"license": "apache-2.0"}, "pipeline_tag": "object-detection"}
        made.add_repository("owner/net", {"config.json": b"{}", "model.safetensors": WEIGHTS}, **about)
        yield made


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCENESCOPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    for name in ("SCENESCOPE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "models"


def call(*args: str, answer: str | None = None):
    return CliRunner().invoke(app, ["models", *args], input=answer)


def names(*args: str) -> list[str]:
    return [row["name"] for row in json.loads(call("list", "--json", *args).stdout)]


# List and info -----------------------------------------------------------------------------------------------------


def test_what_is_here_and_what_could_be():
    assert "nanodet_g_416_coco" in names()
    assert "yolo11n" not in names()
    assert "yolo11n" in names("--available")
    assert {"yolo11n-pose", "yolo26n-pose"} <= set(names("--available", "--task", "pose"))
    assert "yolo11n" not in names("--available", "--task", "pose")
    assert "There is none for nonsense" in call("list", "--task", "nonsense").stdout
    text = call("list", "--available").stdout
    assert "AGPL-3.0" in text
    assert "to download" in text


def test_a_damaged_card_is_a_row(folder: Path):
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "card.toml").write_text("title =")
    assert "broken" in names()
    assert "is damaged" in " ".join(call("list").stdout.split())
    assert call("remove", "broken").exit_code == 0
    assert "broken" not in names()


def test_info_tells_all_that_is_known():
    row = json.loads(call("info", "yolo11n", "--json").stdout)
    assert row["licence"] == "AGPL-3.0"
    assert row["origin"] == "available"
    assert "ffa922a9" in call("info", "nanodet_g_416_coco").stdout
    wrong = call("info", "yolo11nn")
    assert wrong.exit_code == 2
    assert "Did you mean 'yolo11n'?" in wrong.stderr


# Get ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "exit_code", "words"),
    [("n\n", 2, "Nothing was downloaded."), ("", 2, "Nobody could be asked"), ("\n", 2, "Nothing was downloaded.")],
)
def test_nothing_comes_unless_the_user_agrees(folder, server, answer, exit_code, words):
    done = call("get", "owner/net", answer=answer)
    assert done.exit_code == exit_code
    assert words in done.stdout + done.stderr
    for fact in ("1.0 MB", "apache-2.0", server.url.removeprefix("http://")):
        assert fact in done.stdout
    assert {request.path for request in server.requests} == {"/api/models/owner/net"}
    assert not folder.exists()


@pytest.mark.parametrize(("args", "answer"), [((), "y\n"), (("--yes",), None)])
def test_what_was_agreed_to_comes_and_can_be_deleted(folder: Path, args: tuple, answer: str | None):
    done = call("get", "owner/net", *args, answer=answer)
    assert done.exit_code == 0, done.stderr
    assert "Here it is: net (detection)" in done.stdout
    assert (folder / "net" / "model" / "model.safetensors").read_bytes() == WEIGHTS
    assert "net" in names("--task", "detection")
    assert call("remove", "net", answer="n\n").exit_code == 2
    assert "net" in names()
    assert call("remove", "net", answer="y\n").exit_code == 0
    assert "net" not in names()
    assert not list(folder.rglob("*.safetensors"))


def test_what_cannot_be_had_is_told_with_exit_code_2(server: FakeServer, folder: Path):
    server.add("/deep/down/a.onnx", b"", status=429, retry_after="60")
    for what, words in (
        ("owner/missing", "has no model called owner/missing"),
        (f"{server.url}/deep/down/a.onnx", "asked too often"),
        ("http://example.com/a.onnx", "not an encrypted address"),
        ("nonsense", "no model called 'nonsense'"),
        ("nanodet_g_416_coco", "is here already"),
    ):
        done = call("get", what, "--yes")
        assert done.exit_code == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_offline_nothing_is_asked(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCENESCOPE_OFFLINE", "1")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "YOLO_OFFLINE"):
        monkeypatch.setenv(name, "1")  # set by the command; put back when the test ends
    done = call("get", "owner/net", "--yes")
    assert done.exit_code == 2
    assert "Scenescope is offline" in done.stderr
    assert server.requests == []
    assert call("list", "--available").exit_code == 0


def test_a_download_goes_on_where_it_was_cut(server: FakeServer, folder: Path):
    path = "/owner/net/resolve/abc123/model.safetensors"
    server.files[path].cut_after = 600_000
    assert "ended early" in call("get", "owner/net", "--yes").stderr
    assert call("get", "owner/net", "--yes").exit_code == 0
    assert server.requests[-1].range.startswith("bytes=")
    assert (folder / "net" / "model" / "model.safetensors").read_bytes() == WEIGHTS


# Trust and remove --------------------------------------------------------------------------------------------------


def test_trust_shows_the_reason_and_asks(tmp_path: Path):
    path = tmp_path / "best.pt"
    path.write_bytes(pickle.dumps({"a": Path("x")}))
    done = call("trust", str(path), answer="n\n")
    assert done.exit_code == 2
    assert "It is a pickle" in done.stdout
    assert not (tmp_path / "models" / "trusted.json").exists()
    assert call("trust", str(path), "--yes").exit_code == 0
    assert list(json.loads((tmp_path / "models" / "trusted.json").read_text()).values()) == ["best.pt"]
    assert call("trust", str(path), "--undo").exit_code == 0
    assert json.loads((tmp_path / "models" / "trusted.json").read_text()) == {}
    assert "cannot run code" in call("trust", "nanodet_g_416_coco").stdout
    assert call("trust", "nothing.pt").exit_code == 2


def test_bundled_models_stay():
    done = call("remove", "nanodet_g_416_coco", "--yes")
    assert done.exit_code == 2
    assert "Bundled ones cannot be removed" in done.stderr


def test_the_catalogue_is_put_back_after_a_command():
    before = current()
    call("list", "--task", "pose")
    assert current() is before
    assert isinstance(before, Catalogue)


# Add ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_file_of_the_users_is_guessed_shown_and_kept(folder: Path, tmp_path: Path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(load_card("nanodet_g_416_coco").path.read_bytes())
    shown = call("add", str(path), answer="n\n")
    assert shown.exit_code == 2, shown.stderr
    assert "Nothing was added." in shown.stdout
    assert "detection" in shown.stdout
    done = call("add", str(path), "--name", "my net", "--json")
    assert done.exit_code == 0, done.stderr
    added = json.loads(done.stdout)
    assert (added["name"], added["task"]) == ("my_net", "detection")
    assert all(0 <= finding["confidence"] <= 1 for finding in added["findings"])
    assert "my_net" in names("--task", "detection")


def test_a_file_that_is_no_network_is_told(tmp_path: Path):
    path = tmp_path / "words.onnx"
    path.write_bytes(b"not a network")
    done = call("add", str(path), "--yes")
    assert done.exit_code == 2
    assert "was not added" in done.stderr


@pytest.mark.slow
def test_the_command_line_as_its_own_process(cli: Cli, server: FakeServer, tmp_path: Path):
    done = cli("models", "get", "owner/net", "--yes", HF_ENDPOINT=server.url)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "models" / "net" / "card.toml").is_file()
    code = "import sys, scenescope.app.models_cli; print('numpy' in sys.modules, 'httpx' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
