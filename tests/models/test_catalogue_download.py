"""Downloads, against a server on this computer that does what servers do, and what they should not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scenescope.models.catalogue import Catalogue
from scenescope.models.catalogue.download import Downloader
from scenescope.models.catalogue.fakes import FakeServer
from scenescope.models.catalogue.offers import Consent, Offer, Progress, RemoteFile
from scenescope.models.catalogue.transfer import Meter, connection_failure
from scenescope.models.errors import DownloadFailed, ModelError, ModelMissing, ModelRefused

pytestmark = pytest.mark.slow

CONTENT = bytes(range(256)) * 12_000  # 3 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
        yield made


@pytest.fixture
def downloader(tmp_path: Path, server: FakeServer) -> Downloader:
    return Downloader(Catalogue(tmp_path / "models"), server.url)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuses every connection and every look-up of a name, and tells of them."""
    seen: list[str] = []

    def refuse(*args: object, **_: object) -> None:
        seen.append(str(args))
        raise AssertionError(f"a socket was opened: {args}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    return seen


# What goes well ----------------------------------------------------------------------------------------------------


def test_a_file_is_looked_up_agreed_to_fetched_and_kept(downloader: Downloader, server: FakeServer):
    server.add("/some/deep/net.onnx", CONTENT)
    offer = downloader.look_up(f"{server.url}/some/deep/net.onnx")
    assert [request.method for request in server.requests] == ["HEAD"]
    assert not downloader.catalogue.folder.exists(), "nothing is kept before the user agrees"
    for words in ("net.onnx", "3.1 MB", "Licence: not known", server.url.removeprefix("http://")):
        assert words in offer.question()
    told: list[Progress] = []
    card = downloader.fetch(Consent(offer), told.append)
    assert card.path.read_bytes() == CONTENT
    assert (card.name, card.origin, card.sha256, card.runtime) == ("net", "downloaded", SHA256, "onnxruntime")
    assert downloader.catalogue.card("net") == card
    assert (told[-1].done_bytes, told[-1].size_bytes) == (len(CONTENT), len(CONTENT))
    assert files_in(downloader.catalogue.folder) == ["card.toml", "net.onnx"]


def test_an_entry_of_the_catalogue_is_known_by_name_file_and_hub_id(downloader: Downloader):
    for text, name in (("yolo11n", "yolo11n"), ("yolo11n.pt", "yolo11n"), ("PekingU/rtdetr_r18vd", "rtdetr_r18vd")):
        assert downloader._card(text).name == name
    assert downloader._card("https://huggingface.co/some/where").url == "hf://some/where"
    with pytest.raises(ModelMissing, match=r"no model called 'yolo11nn'.*Did you mean 'yolo11n'"):
        downloader.look_up("yolo11nn")


REPOSITORY = {
    "config.json": b'{"model_type": "detr"}',
    "preprocessor_config.json": b"{}",
    "README.md": b"words",
    "model.safetensors": CONTENT,
    "model.fp16.safetensors": b"other",
    "pytorch_model.bin": b"pickle",
    "modeling_detr.py": b"import os",
    "../evil.json": b"{}",
    "onnx/model.onnx": b"onnx",
}


def test_of_a_hub_only_weights_without_code_and_their_texts_are_fetched(downloader: Downloader, server: FakeServer):
    about = {
        "cardData": {"license": "apache-2.0"},
        "pipeline_tag": "object-detection",
        "config": {"model_type": "detr"},
    }
    server.add_repository("owner/detr", REPOSITORY, **about)
    offer = downloader.look_up("owner/detr")
    assert (offer.card.task, offer.card.licence, offer.risk) == ("detection", "apache-2.0", "")
    assert offer.size_bytes == len(CONTENT) + sum(
        len(REPOSITORY[n]) for n in ("config.json", "preprocessor_config.json")
    )
    card = downloader.fetch(Consent(offer))
    assert files_in(card.path) == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert (card.path / "model.safetensors").read_bytes() == CONTENT
    assert (card.name, card.runtime, card.architecture) == ("detr", "transformers", "detr")


@pytest.mark.parametrize(
    ("names", "chosen", "risky"),
    [
        (["config.json", "pytorch_model.bin"], ["config.json", "pytorch_model.bin"], True),
        (["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "x.bin"], None, False),
        (["config.json", "tf_model.h5"], [], False),
    ],
)
def test_pickles_come_only_where_there_is_nothing_else(downloader, server, names, chosen, risky):
    server.add_repository("a/b", {name: name.encode() for name in names})
    if chosen == []:
        with pytest.raises(DownloadFailed, match="no weights in a format"):
            downloader.look_up("a/b")
        return
    offer = downloader.look_up("a/b")
    assert [file.path for file in offer.files] == [f"model/{name}" for name in (chosen or names[:3])]
    assert ("pickle" in offer.question()) == risky


def test_the_task_of_a_segmentation_is_read_from_its_class(downloader: Downloader, server: FakeServer):
    for architecture, task in (
        ("SegformerForSemanticSegmentation", "semantic-segmentation"),
        ("Mask2FormerForUniversalSegmentation", "instance-segmentation"),
    ):
        about = {"pipeline_tag": "image-segmentation", "config": {"architectures": [architecture]}}
        server.add_repository("a/b", {"model.safetensors": b"x"}, **about)
        assert downloader.look_up("a/b").card.task == task


def test_the_same_bytes_are_kept_once(downloader: Downloader, server: FakeServer):
    for path in ("/a.onnx", "/b.onnx"):
        server.add(path, CONTENT)
    first, second = (downloader.fetch(Consent(downloader.look_up(server.url + p))) for p in ("/a.onnx", "/b.onnx"))
    assert second == first
    assert len(downloader.catalogue.store.contents()[0]) == 1


# Consent and being offline -----------------------------------------------------------------------------------------


def test_nothing_is_fetched_without_consent(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    for not_consent in (None, True, offer, offer.card):
        with pytest.raises(ModelRefused, match="unless you have agreed"):
            downloader.fetch(not_consent)
    assert [request.method for request in server.requests] == ["HEAD"]
    assert not downloader.catalogue.folder.exists()


def test_offline_no_socket_is_opened(tmp_path: Path, no_sockets: list[str]):
    downloader = Downloader(Catalogue(tmp_path, offline=True))
    card = next(card for card in downloader.catalogue.available() if card.name == "yolo11n")
    offer = Offer(card, (RemoteFile(card.file, card.url),))
    for act in (
        lambda: downloader.look_up("yolo11n"),
        lambda: downloader.look_up("facebook/detr-resnet-50"),
        lambda: downloader.look_up("https://example.com/a.onnx"),
        lambda: downloader.fetch(Consent(offer)),
    ):
        with pytest.raises(DownloadFailed, match="Scenescope is offline"):
            act()
    assert downloader.catalogue.available()
    assert downloader.interrupted() == []
    assert no_sockets == []


def test_the_guard_of_the_test_above_sees_sockets(tmp_path: Path, no_sockets: list[str]):
    with pytest.raises((AssertionError, DownloadFailed)):
        Downloader(Catalogue(tmp_path)).look_up("https://example.com/a.onnx")
    assert no_sockets


def test_more_than_was_agreed_to_is_not_taken(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    server.add("/a.onnx", CONTENT * 2)
    with pytest.raises(DownloadFailed, match=r"6.1 MB now, not the 3.1 MB that were offered"):
        downloader.fetch(Consent(offer))
    server.add("/a.onnx", CONTENT * 2, sized=False)
    with pytest.raises(DownloadFailed, match=r"larger than the 3\.1 MB"):
        downloader.fetch(Consent(offer))
    assert downloader.catalogue.store.contents() == ([], [])


# What goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message", "hint"),
    [
        ({"status": 404}, r"is not there \(404\)", "wrong letter"),
        ({"status": 403}, r"not give .* to everybody \(403\)", "in a browser"),
        ({"status": 401}, r"\(401\)", "in a browser"),
        ({"status": 429, "retry_after": "120"}, r"too often \(429\)", "in 2 min"),
        ({"status": 429}, r"too often", "later"),
        ({"status": 503}, r"problem of its own \(503\)", "later"),
        ({"status": 418}, r"answers 418", "address"),
        ({"kind": "text/html; charset=utf-8"}, "is a web page, not a file", "download button"),
        ({"status": 302, "location": "http://example.com/a.onnx"}, "not an encrypted address", "https://"),
        ({"status": 302, "location": "ftp://example.com/a.onnx"}, "not an encrypted address", "https://"),
        ({"status": 302, "location": "/a.onnx"}, "on and on", "later"),
        ({"cut_after": 1_000_000}, "ended early", "try again to go on"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("when", ["look up", "fetch"])
def test_what_servers_answer_is_told_with_a_cure(downloader, server, how, message, hint, when):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    server.add("/a.onnx", CONTENT, **how)
    if when == "look up" and "cut_after" in how:
        return
    with pytest.raises(DownloadFailed, match=message) as failure:
        downloader.look_up(server.url + "/a.onnx") if when == "look up" else downloader.fetch(Consent(offer))
    assert hint in failure.value.hint
    assert downloader.catalogue.store.contents() == ([], [])


def test_what_was_cut_off_goes_on(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT, cut_after=2_000_000)
    offer = downloader.look_up(server.url + "/a.onnx")
    with pytest.raises(DownloadFailed, match="ended early"):
        downloader.fetch(Consent(offer))
    assert downloader.fetch(Consent(offer)).path.read_bytes() == CONTENT
    assert server.requests[-1].range.startswith("bytes=")


def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, server: FakeServer):
    downloader = Downloader(Catalogue(tmp_path), stall_s=0.2)
    server.add("/a.onnx", CONTENT, hold_after=1_000_000)
    with pytest.raises(DownloadFailed, match="nothing more for a while") as failure:
        downloader.fetch(Consent(downloader.look_up(server.url + "/a.onnx")))
    assert "go on" in failure.value.hint
    assert downloader.interrupted()


def test_a_server_that_is_not_there(downloader: Downloader):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/a.onnx"
    with pytest.raises(DownloadFailed, match="cannot be reached"):
        downloader.look_up(address)


def test_redirects_to_other_hosts_are_followed_when_they_may_be(downloader: Downloader, server: FakeServer):
    with FakeServer() as other:
        other.add("/b.onnx", CONTENT)
        server.add("/a.onnx", b"", status=302, location=f"{other.url}/b.onnx")
        card = downloader.fetch(Consent(downloader.look_up(server.url + "/a.onnx")))
        assert card.path.read_bytes() == CONTENT
        assert {request.path for request in other.requests} == {"/b.onnx"}


@pytest.mark.parametrize("address", ["http://example.com/a.onnx", "http://10.0.0.1/a.onnx", "https:///a.onnx"])
def test_addresses_without_encryption_are_never_asked(downloader: Downloader, no_sockets: list[str], address: str):
    with pytest.raises(DownloadFailed):
        downloader.look_up(address)
    assert no_sockets == []


def test_servers_that_refuse_head_or_tell_no_size(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT, head=False)
    assert downloader.look_up(server.url + "/a.onnx").size_bytes == len(CONTENT)
    server.add("/b.onnx", CONTENT, sized=False)
    offer = downloader.look_up(server.url + "/b.onnx")
    assert offer.size_bytes == 0
    assert "Size: not known" in offer.question()
    assert downloader.fetch(Consent(offer)).path.read_bytes() == CONTENT


def test_hubs_that_refuse(downloader: Downloader, server: FakeServer):
    server.add_repository("a/gated", {"model.safetensors": b"x"}, gated="manual")
    with pytest.raises(DownloadFailed, match="accepted its terms"):
        downloader.look_up("a/gated")
    with pytest.raises(DownloadFailed, match="no model called a/missing"):
        downloader.look_up("a/missing")
    server.add("/api/models/a/odd", b"<html>")
    with pytest.raises(DownloadFailed, match="is not a model hub"):
        downloader.look_up("a/odd")


def test_no_room_and_no_permission(downloader: Downloader, server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    usage = shutil.disk_usage(Path.home())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(ModelError, match=r"not enough room: 3.1 MB are needed, 1.0 MB are free") as failure:
        downloader.fetch(Consent(offer))
    assert failure.value.hint
    monkeypatch.undo()
    downloader.catalogue.folder = Path(os.devnull) / "models"
    with pytest.raises(ModelError, match="Nothing can be kept in"):
        downloader.fetch(Consent(offer))


def test_a_disk_that_fills_up(downloader: Downloader, server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="The disk is full") as failure:
        downloader.fetch(Consent(offer))
    assert "go on" in failure.value.hint
    monkeypatch.undo()
    assert downloader.fetch(Consent(offer)).path.read_bytes() == CONTENT


def test_certificates_and_odd_failures_are_told_in_words():
    failure = connection_failure(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] x"), "https://a.b/c")
    assert "certificate of a.b" in failure.user_message
    assert "SSL_CERT_FILE" in failure.hint
    assert "does not answer" in connection_failure(httpx.ConnectTimeout("x"), "https://a.b/c").user_message


# Small things ------------------------------------------------------------------------------------------------------


def test_an_offer_comes_back_from_its_file(downloader: Downloader, server: FakeServer):
    server.add_repository("a/b", {"config.json": b"{}", "model.safetensors": CONTENT})
    offer = downloader.look_up("a/b")
    assert Offer.from_json(offer.to_json()) == offer
    folder = downloader.catalogue.folder / ".downloads" / "x"
    folder.mkdir(parents=True)
    for text in ("", "[]", "{}", json.dumps({"card": {"name": "x"}, "files": [], "risk": ""})):
        (folder / "offer.json").write_text(text)
        assert downloader.interrupted() == []


def test_rate_and_time_left_are_those_of_the_last_seconds():
    told: list[Progress] = []
    clock = iter([0.0, *(second / 10 for second in range(1, 200))])
    meter = Meter(10_000_000, told.append, lambda: next(clock))
    meter.add(2_000_000, "a", fetched=False)
    for _ in range(40):
        meter.add(100_000, "a")
    assert told[0].rate_bytes_s == 0
    assert told[-1].rate_bytes_s == pytest.approx(1_000_000, rel=0.05)
    assert told[-1].left_s == pytest.approx(4.0, rel=0.1)
    assert Progress(6_000_000, 10_000_000, 1_000_000.0).text() == "6.0 MB of 10.0 MB, 1.0 MB/s, 4 s left"
