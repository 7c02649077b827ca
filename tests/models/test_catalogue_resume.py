"""Downloads that are interrupted: cancelled, cut off, killed; and what is there to go on with."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scenescope.models.catalogue import Catalogue
from scenescope.models.catalogue.download import Downloader
from scenescope.models.catalogue.fakes import FakeServer
from scenescope.models.catalogue.offers import Cancel, Consent, DownloadCancelled, Offer, Progress
from scenescope.models.errors import DownloadFailed

pytestmark = pytest.mark.slow

CONTENT = bytes(range(256)) * 12_000  # 3 MB


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
        yield made


@pytest.fixture
def downloader(tmp_path: Path, server: FakeServer) -> Downloader:
    return Downloader(Catalogue(tmp_path / "models"), server.url)


def until(true: Callable[[], object]) -> None:
    """Wait for what another thread or process is about to do."""
    for _ in range(20_000):
        if true():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not happen")


def stopped_after(downloader: Downloader, server: FakeServer, offer: Offer, path: str, count: int) -> None:
    """Fetch until ``count`` bytes have been sent, then cancel from another thread."""
    server.files[path].hold_after = count
    cancel = Cancel()

    def stop() -> None:
        server.held.wait(10)
        until(lambda: any(one.done_bytes for one in downloader.interrupted()))
        cancel.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        with pytest.raises(DownloadCancelled):
            downloader.fetch(Consent(offer), cancel=cancel)
    finally:
        stopper.join()
    server.files[path].hold_after = None


@pytest.mark.parametrize(
    ("how", "goes_on"),
    [
        ({}, True),
        ({"etag": "", "last_modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, True),
        ({"etag": 'W/"weak"'}, False),
        ({"etag": ""}, False),
        ({"ranges": False}, False),
    ],
    ids=["etag", "date", "weak etag", "nothing to tell by", "no ranges"],
)
def test_a_cancelled_download_goes_on_with_the_same_bytes(downloader, server, how, goes_on):
    server.add("/a.onnx", CONTENT, **how)
    offer = downloader.look_up(server.url + "/a.onnx")
    stopped_after(downloader, server, offer, "/a.onnx", 2_000_000)
    (interrupted,) = downloader.interrupted()
    assert 0 < interrupted.done_bytes <= 2_000_000
    assert interrupted.consent == Consent(offer)
    told: list[Progress] = []
    card = downloader.fetch(interrupted.consent, told.append)
    assert card.path.read_bytes() == CONTENT
    last = server.requests[-1]
    assert (last.range == f"bytes={interrupted.done_bytes}-") == (goes_on or how == {"ranges": False})
    assert (told[0].done_bytes >= interrupted.done_bytes) == goes_on
    assert downloader.interrupted() == []


def test_a_file_that_changed_meanwhile_is_fetched_anew(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    stopped_after(downloader, server, offer, "/a.onnx", 2_000_000)
    newer = CONTENT[::-1]
    server.add("/a.onnx", newer, etag='"v2"')
    assert downloader.fetch(downloader.interrupted()[0].consent).path.read_bytes() == newer


def test_a_download_ended_in_a_second_file_keeps_the_first(downloader: Downloader, server: FakeServer):
    server.add_repository("a/b", {"config.json": b"{}", "model.safetensors": CONTENT})
    offer = downloader.look_up("a/b")
    weights = "/a/b/resolve/abc123/model.safetensors"
    stopped_after(downloader, server, offer, weights, 1_000_000)
    before = len(server.requests)
    card = downloader.fetch(Consent(offer))
    assert [request.path for request in server.requests[before:]] == [weights]
    assert (card.path / "model.safetensors").read_bytes() == CONTENT


def test_cancelling_before_it_begins_and_twice_is_harmless(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    cancel = Cancel()
    cancel.cancel()
    cancel.cancel()
    with pytest.raises(DownloadCancelled):
        downloader.fetch(Consent(offer), cancel=cancel)
    with pytest.raises(DownloadCancelled):
        downloader.look_up(server.url + "/a.onnx", cancel)
    assert downloader.fetch(Consent(offer)).path.exists()


def test_what_was_interrupted_can_be_forgotten(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT)
    stopped_after(downloader, server, downloader.look_up(server.url + "/a.onnx"), "/a.onnx", 1_000_000)
    downloader.forget(downloader.interrupted()[0])
    assert downloader.interrupted() == []


def test_the_same_download_does_not_run_twice_at_once(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    server.files["/a.onnx"].hold_after = 1_000_000
    first = threading.Thread(target=downloader.fetch, args=(Consent(offer),))
    first.start()
    assert server.held.wait(10)
    with pytest.raises(DownloadFailed, match="being downloaded already"):
        downloader.fetch(Consent(offer))
    server.release()
    first.join()
    assert downloader.catalogue.card("a").path.read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process")
def test_a_process_that_was_killed_leaves_something_to_go_on_with(downloader: Downloader, server: FakeServer):
    server.add("/a.onnx", CONTENT, hold_after=2_000_000)
    code = (
        "import sys; from pathlib import Path; from scenescope.models.catalogue import Catalogue; "
        "from scenescope.models.catalogue.download import Downloader, Consent; "
        "d = Downloader(Catalogue(Path(sys.argv[1]))); d.fetch(Consent(d.look_up(sys.argv[2])))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(downloader.catalogue.folder), server.url + "/a.onnx"])
    assert server.held.wait(60)
    until(lambda: any(one.done_bytes for one in downloader.interrupted()))
    child.send_signal(signal.SIGKILL)
    child.wait()
    server.files["/a.onnx"].hold_after = None
    (interrupted,) = downloader.interrupted()
    assert interrupted.done_bytes > 0
    card = downloader.fetch(interrupted.consent)
    assert card.path.read_bytes() == CONTENT
    assert server.requests[-1].range == f"bytes={interrupted.done_bytes}-"


@pytest.mark.parametrize("partly", [False, True])
def test_a_wrong_hash_deletes_what_came(downloader: Downloader, server: FakeServer, partly: bool):
    server.add("/a.onnx", CONTENT)
    offer = downloader.look_up(server.url + "/a.onnx")
    offer = replace(offer, files=(replace(offer.files[0], sha256="0" * 64),))
    if partly:
        stopped_after(downloader, server, offer, "/a.onnx", 1_000_000)
    with pytest.raises(DownloadFailed, match="not the file that was promised") as failure:
        downloader.fetch(Consent(offer))
    assert "deleted" in failure.value.hint
    assert not list(downloader.catalogue.folder.rglob("a.onnx*"))
