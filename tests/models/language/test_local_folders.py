"""Which folders are models that describe pictures, and which are not to be opened."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from scenescope.models.catalogue import Catalogue
from scenescope.models.catalogue.download import Downloader
from scenescope.models.catalogue.fakes import FakeServer
from scenescope.models.catalogue.offers import Cancel, Consent, DownloadCancelled, Progress
from scenescope.models.errors import ModelError, ModelIncompatible, ModelMissing, ModelRefused
from scenescope.models.language.local.folders import (
    OVERHEAD_BYTES,
    TASK,
    ModelFolder,
    local_models,
    model_folder,
    offered_models,
    require_memory,
    suited,
)

REPOSITORY = "HuggingFaceTB/SmolVLM-500M-Instruct"


def safetensors(shape: tuple[int, ...] = (4, 5), dtype: str = "F32", width: int = 4) -> bytes:
    count = shape[0] * shape[1]
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, width * count]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(width * count)


def with_header(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a model"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "idefics3"}', encoding="utf-8")
    (made / "model.safetensors").write_bytes(safetensors())
    return made


def test_a_folder_of_the_users_own(folder: Path):
    found = model_folder(folder)
    assert (found.title, found.licence, found.parameters, found.card) == ("a model", "", 20, None)
    assert found.size_bytes == (folder / "model.safetensors").stat().st_size
    assert found.needed_bytes() == OVERHEAD_BYTES + 80
    assert found.needed_bytes(on_cpu=False) == OVERHEAD_BYTES + found.size_bytes


def test_weights_in_several_files_count_together(folder: Path):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors((2, 3)))
    (folder / "other.safetensors").write_bytes(b"not asked for")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    assert model_folder(folder).parameters == 26
    (folder / names["b"]).unlink()
    with pytest.raises(ModelMissing, match="lacks model-00002"):
        model_folder(folder)


def put(name: str, content: bytes | str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def only(name: str, content: bytes | str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        put(name, content)(folder)

    return change


def index_of(*names: str) -> str:
    return json.dumps({"weight_map": {str(number): name for number, name in enumerate(names)}})


CONFIG = '{"model_type": "idefics3", %s}'
BROKEN: dict[str, tuple[Callable[[Path], object], type[ModelError], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), ModelMissing, "no config.json"),
    "config of another kind": (put("config.json", '{"model_type": "bert"}'), ModelIncompatible, r"\(bert\)"),
    "config of no kind": (put("config.json", "{}"), ModelIncompatible, r"\(None\)"),
    "kind of a long name": (put("config.json", '{"model_type": "' + 999 * "x" + '"}'), ModelIncompatible, r"\(x{40}\)"),
    "config is a list": (put("config.json", "[]"), ModelIncompatible, "no object"),
    "config is no JSON": (put("config.json", "{"), ModelIncompatible, "cannot be read"),
    "config is no text": (put("config.json", b"\xff\xfe\0"), ModelIncompatible, "cannot be read"),
    "config is deep": (put("config.json", "[" * 200_000), ModelIncompatible, "cannot be read"),
    "config is huge": (put("config.json", b" " * (5 << 20)), ModelIncompatible, "too large"),
    "code": (put("config.json", CONFIG % '"auto_map": {"AutoModel": "evil.Evil"}'), ModelRefused, "code of its own"),
    "code deep inside": (
        put("config.json", CONFIG % '"text_config": {"list": [{"auto_map": {"AutoModel": "evil.Evil"}}]}'),
        ModelRefused, "'auto_map'",
    ),
    "code of the processor": (
        put("processor_config.json", '{"auto_map": {"AutoProcessor": "evil.Evil"}}'),
        ModelRefused, "processor_config.json",
    ),
    "code of the tokenizer": (put("tokenizer_config.json", '{"auto_map": ["e.E", null]}'), ModelRefused, "tokenizer_"),
    "code that generates": (put("generation_config.json", '{"custom_generate": "a/b"}'), ModelRefused, "generation"),
    "an adapter": (put("adapter_config.json", "{}"), ModelRefused, "adapter"),
    "pickles": (only("pytorch_model.bin", b"\x80\x04."), ModelRefused, "pickles"),
    "no weights": (only("README.md", "words"), ModelMissing, "no weights"),
    "empty weights": (put("model.safetensors", b""), ModelIncompatible, "not a file of safetensors"),
    "short weights": (put("model.safetensors", safetensors()[:-1]), ModelIncompatible, "not whole"),
    "long weights": (put("model.safetensors", safetensors() + b"\0"), ModelIncompatible, "not whole"),
    "a pickle as weights": (put("model.safetensors", b"\x80\x04" * 40), ModelIncompatible, "longer than the file"),
    "a header without end": (put("model.safetensors", b"\xff" * 8 + b"{}"), ModelIncompatible, "longer than the file"),
    "a header that is no JSON": (put("model.safetensors", struct.pack("<Q", 4) + b"{{{{"), ModelIncompatible, "not a"),
    "a header that is a list": (put("model.safetensors", with_header([1])), ModelIncompatible, "not a file"),
    "a deep header": (
        put("model.safetensors", struct.pack("<Q", 200_000) + b"[" * 200_000), ModelIncompatible, "not a file",
    ),
    "no tensors": (put("model.safetensors", with_header({"__metadata__": {}})), ModelIncompatible, "no weights"),
    "more numbers than bytes": (
        put("model.safetensors", with_header({"w": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 0]}})),
        ModelIncompatible, "no weights",
    ),
    "a shape of words": (
        put("model.safetensors", with_header({"w": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 0]}})),
        ModelIncompatible, "not a file",
    ),
    "an index that leads away": (
        only("model.safetensors.index.json", index_of("../../secret.safetensors")), ModelRefused, "elsewhere",
    ),
    "an index of pickles": (only("model.safetensors.index.json", index_of("a.bin")), ModelRefused, "elsewhere"),
    "an index of nothing": (only("model.safetensors.index.json", "{}"), ModelIncompatible, "names no weights"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_or_hostile_is_refused_in_a_sentence(name: str, folder: Path):
    change, kind, words = BROKEN[name]
    change(folder)
    with pytest.raises(kind, match=words) as raised:
        model_folder(folder)
    assert raised.value.hint
    assert raised.value.user_message.endswith(".")


def test_no_folder_or_a_file_is_not_a_model(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"x")
    for name in ("file", "nothing"):
        with pytest.raises(ModelMissing, match=f"The folder {name} is not there"):
            model_folder(tmp_path / name)


def test_memory_is_looked_at_before(folder: Path):
    found = model_folder(folder)
    require_memory(found, found.needed_bytes())
    with pytest.raises(ModelError, match=r"'?a model'? needs about 700 MB of memory, 5\.0 MB are free") as raised:
        require_memory(found, 5_000_000)
    assert not raised.value.permanent
    assert "smaller model" in raised.value.hint


# The catalogue -----------------------------------------------------------------------------------------------------


def test_what_is_offered_says_size_licence_and_host(tmp_path: Path):
    offered = offered_models(Catalogue(tmp_path))
    assert [text for _, text in offered] == [
        "SmolVLM-500M: 1.0 GB, Apache-2.0, from huggingface.co",
        "SmolVLM-256M: 517 MB, Apache-2.0, from huggingface.co",
    ]
    assert {card.task for card, _ in offered} == {TASK}
    assert local_models(Catalogue(tmp_path)) == []


def hub_files() -> dict[str, bytes]:
    return {
        "config.json": b'{"model_type": "idefics3"}',
        "preprocessor_config.json": b"{}",
        "processor_config.json": b"{}",
        "chat_template.json": b"{}",
        "chat_template.jinja": b"{{ messages }}",
        "tokenizer.json": b"{}",
        "vocab.json": b"{}",
        "merges.txt": b"a b",
        "model.safetensors": safetensors((500, 700)),
        "pytorch_model.bin": b"\x80\x04.",
        "modeling.py": b"import os",
        "onnx/model.onnx": b"onnx",
    }


@pytest.mark.slow
def test_a_snapshot_is_offered_agreed_to_fetched_resumed_and_pinned(tmp_path: Path):
    with FakeServer() as server:
        server.add_repository(REPOSITORY, hub_files(), cardData={"license": "apache-2.0"})
        held = server.files[f"/{REPOSITORY}/resolve/abc123/model.safetensors"]
        held.hold_after = 1_000_000
        downloader = Downloader(Catalogue(tmp_path / "models"), server.url)
        offer = downloader.look_up("SmolVLM-500M-Instruct")
        question = offer.question()
        for words in (
            "Download SmolVLM-500M?",
            "Size: 1.4 MB",
            "Licence: Apache-2.0",
            server.url.removeprefix("http://"),
        ):
            assert words in question
        assert offer.risk == ""
        cancel = Cancel()

        def stop(progress: Progress) -> None:
            if progress.done_bytes > 300_000:
                cancel.cancel()

        with pytest.raises(DownloadCancelled):
            downloader.fetch(Consent(offer), stop, cancel)
        assert local_models(downloader.catalogue) == []
        server.release()
        held.hold_after = None
        card = downloader.fetch(downloader.interrupted()[0].consent)
        assert any(request.range for request in server.requests), "it goes on where it had stopped"
        assert all("/resolve/abc123/" in request.path for request in server.requests if "/resolve/" in request.path)
    names = {path.name for path in card.path.iterdir()}
    assert names == {name for name in hub_files() if not name.endswith((".bin", ".py", ".onnx"))}
    # The revision is the one that "main" meant when it was asked, and the files have the fingerprint of that day.
    assert card.source.endswith("SmolVLM-500M-Instruct at abc123")
    (found,) = local_models(downloader.catalogue)
    assert (found.title, found.licence, found.parameters) == ("SmolVLM-500M", "Apache-2.0", 350_000)
    assert found.sha256 == card.sha256 != ""
    assert [card.title for card, _ in offered_models(downloader.catalogue)] == ["SmolVLM-256M"]
    # A model that was damaged since is not offered for use.
    (card.path / "config.json").write_text("{}", encoding="utf-8")
    assert local_models(downloader.catalogue) == []


SMALL, LARGE = (
    ModelFolder(Path(name), name, "", 0, count) for name, count in (("256M", 256 << 20), ("500M", 507 << 20))
)


@pytest.mark.parametrize(
    ("folders", "free_gb", "cores", "title"),
    [
        ([LARGE, SMALL], 16.0, 8, "500M"),
        ([SMALL, LARGE], 16.0, 4, "500M"),
        ([LARGE, SMALL], 16.0, 2, "256M"),
        ([LARGE, SMALL], 5.0, 8, "256M"),
        ([LARGE, SMALL], 0.5, 1, "256M"),
        ([LARGE], 0.5, 1, "500M"),
    ],
)
def test_a_weak_machine_gets_the_small_model(folders: list[ModelFolder], free_gb: float, cores: int, title: str):
    assert suited(folders, int(free_gb * 1e9), cores).title == title
