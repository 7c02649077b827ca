"""What can run code, and the user's word that it may."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenescope.models.cards import bundled_cards
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.risk import risk_of
from scenescope.models.catalogue.trust import distrust, is_trusted, require_trust, trust
from scenescope.models.errors import ModelMissing, ModelRefused


class Bomb:
    """Would make a folder if anybody unpickled it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    put_back = use(Catalogue(tmp_path / "models"))
    yield tmp_path
    put_back()


@pytest.fixture
def bomb(folder: Path) -> Path:
    path = folder / "best.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("best/data.pkl", pickle.dumps(Bomb(folder / "exploded")))
    return path


# Risk --------------------------------------------------------------------------------------------------------------


def test_a_pickle_is_looked_at_and_not_run(bomb: Path, folder: Path):
    assert "pickle" in risk_of(bomb)
    assert "it calls posix.mkdir" in risk_of(bomb) or "it calls nt.mkdir" in risk_of(bomb)
    assert not (folder / "exploded").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_known(tmp_path: Path, protocol: int):
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps({"a": Path("x"), "b": Path("y")}, protocol))
    assert "pickle" in risk_of(path)
    assert ("pathlib" in risk_of(path)) == (protocol >= 2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["module", "weights", "old weights", "script", "script that saves", "export"])
def test_what_pytorch_saves(tmp_path: Path, how: str):
    torch = pytest.importorskip("torch")
    path, net = tmp_path / "net.bin", torch.nn.Conv2d(3, 4, 3).eval()

    class Saving(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "/nowhere")
            return x

    if how == "module":
        torch.save(net, path)
    elif how == "script":
        torch.jit.script(net).save(path)
    elif how == "script that saves":
        torch.jit.script(Saving()).save(path)
    elif how == "export":
        path = tmp_path / "net.pt2"
        torch.export.save(torch.export.export(net, (torch.zeros(1, 3, 8, 8),)), path)
    else:
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=how == "weights")
    risk = risk_of(path)
    harmless = how in ("script", "export")
    assert {"script that saves": "reads or writes files (save)"}.get(how, "" if harmless else "It is a pickle") in risk
    assert (risk == "") == harmless


def test_an_export_with_more_than_tensors_in_it(tmp_path: Path):
    inner = tmp_path / "inner.pt"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("inner/data.pkl", pickle.dumps(Bomb(tmp_path / "exploded")))
    for name, content, words in (
        ("a/data/sample_inputs/model.pt", inner.read_bytes(), "it calls"),
        ("a/data/weights/weight_0", pickle.dumps(Path("x")), "pathlib"),
        ("a/data/aotinductor/model.so", b"\x7fELF", "compiled code"),
    ):
        path = tmp_path / "net.pt2"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/archive_format", "pt2")
            archive.writestr(name, content)
        assert words in risk_of(path)


def keras_file(path: Path, layer: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [{"class_name": layer, "config": {}}]}}))
    return path


def test_layers_of_keras_that_hold_code(tmp_path: Path):
    assert "Lambda layer" in risk_of(keras_file(tmp_path / "a.keras", "Lambda"))
    assert "holds a pickle" in risk_of(keras_file(tmp_path / "c.keras", "TorchModuleWrapper"))
    assert risk_of(keras_file(tmp_path / "b.keras", "Dense")) == ""
    for name, words in (("Lambda", "Lambda layer"), ("Dense", "")):
        path = tmp_path / f"{name}.h5"
        config = json.dumps({"class_name": "Sequential", "config": {"layers": [{"class_name": name}]}})
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100) + config.encode() + bytes(100))
        assert risk_of(path) == "" if not words else words in risk_of(path)


def test_folders_of_transformers(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    assert risk_of(tmp_path).startswith("pytorch_model.bin: it is a pickle")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    assert risk_of(tmp_path) == ""
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "modeling.Net"}}')
    assert "trust_remote_code" in risk_of(tmp_path)


def test_what_cannot_run_code_has_no_risk(tmp_path: Path):
    for card in bundled_cards():
        assert risk_of(card.path) == ""
    assert risk_of(tmp_path / "missing.onnx") == ""
    assert "pickle" in risk_of(tmp_path / "missing.pt")
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert risk_of(tmp_path / "empty.onnx") == ""
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 cut short")
    assert "pickle" in risk_of(tmp_path / "cut.pt")


# Trust -------------------------------------------------------------------------------------------------------------


def test_trust_is_for_these_bytes_alone_and_can_be_taken_back(bomb: Path, folder: Path):
    with pytest.raises(ModelRefused, match=r"best\.pt was not opened\. It is a pickle") as failure:
        require_trust(bomb, risk_of(bomb))
    assert f"scenescope models trust {bomb}" in failure.value.hint
    trust(bomb)
    require_trust(bomb, risk_of(bomb))
    bomb.rename(folder / "moved.pt")
    assert is_trusted(folder / "moved.pt")
    with (folder / "moved.pt").open("ab") as file:
        file.write(b"more")
    assert not is_trusted(folder / "moved.pt")
    trust(folder / "moved.pt")
    distrust(folder / "moved.pt")
    assert not is_trusted(folder / "moved.pt")


def test_trust_needs_a_file_and_a_place_to_be_kept(bomb: Path, folder: Path):
    with pytest.raises(ModelMissing, match="cannot be read"):
        trust(folder / "nothing.pt")
    put_back = use(Catalogue())
    try:
        with pytest.raises(ModelRefused, match="no folder to remember trust in"):
            trust(bomb)
        assert not is_trusted(bomb)
    finally:
        put_back()


@pytest.mark.parametrize("content", ["", "[]", "{", "3"])
def test_a_damaged_list_of_trust_trusts_nothing(bomb: Path, folder: Path, content: str):
    (folder / "models").mkdir()
    (folder / "models" / "trusted.json").write_text(content)
    assert not is_trusted(bomb)
    trust(bomb)
    assert is_trusted(bomb)
