"""The user's own models on disk: added, listed, removed, brought back; and cards that are not what they should be."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scenescope.models import cards
from scenescope.models.cards import ModelCard, bundled_cards, checked_file, fingerprint, load_card
from scenescope.models.catalogue import Catalogue, current, use
from scenescope.models.catalogue.card_file import card_text, read_card, write_card
from scenescope.models.catalogue.entries import entries
from scenescope.models.catalogue.offers import Cancel, DownloadCancelled, Progress, size_text, time_text
from scenescope.models.catalogue.store import tidy_name
from scenescope.models.errors import ModelError, ModelMissing
from scenescope.models.vision.runtimes import RUNTIMES

TASKS = {
    "detection",
    "oriented-detection",
    "instance-segmentation",
    "semantic-segmentation",
    "classification",
    "zero-shot-detection",
    "zero-shot-classification",
    "pose",
    "depth",
    "description",
}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "models")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "My net (v2).onnx"
    path.write_bytes(bytes(range(256)) * 10_000)
    return path


def card(name: str = "my net", **more: object) -> ModelCard:
    return replace(load_card("nanodet_g_416_coco"), name=name, title="Mine", **more)


# What can be fetched -----------------------------------------------------------------------------------------------


def test_entries_tell_what_a_user_must_know():
    assert {"yolo11n", "yolo26n", "rtdetr-l", "mobile_sam", "detr-resnet-50"} <= {entry.name for entry in entries()}
    assert len({entry.name for entry in entries()}) == len(entries())
    for entry in entries():
        assert entry.task in TASKS, entry.name
        assert entry.runtime in RUNTIMES
        assert entry.licence
        assert entry.source.startswith("https://")
        assert entry.url.startswith(("https://", "hf://"))
        assert entry.download_size_bytes > 1e6
        assert entry.origin == "downloaded"
        assert "{" not in card_text(entry).replace("[", "")
        assert tidy_name(entry.name) == entry.name
        assert len(entry.sha256) in (0, 64)


def test_what_is_here_is_not_offered_any_more(catalogue: Catalogue, weights: Path):
    offered = {one.name for one in catalogue.available("detection")}
    assert {"yolo11n", "rtdetr_r18vd"} <= offered
    with pytest.raises(ModelMissing, match="'yolo11n' is not on this computer") as failure:
        catalogue.card("yolo11n")
    assert "scenescope models get yolo11n" in failure.value.hint
    catalogue.add(weights, card("yolo11n"))
    assert offered - {one.name for one in catalogue.available("detection")} == {"yolo11n"}


# Adding ------------------------------------------------------------------------------------------------------------


def test_a_file_is_taken_in_with_its_card(catalogue: Catalogue, weights: Path):
    told: list[Progress] = []
    added = catalogue.add(weights, card(), told=told.append)
    assert (added.name, added.origin, added.file) == ("my_net", "local", weights.name)
    assert added.path.read_bytes() == weights.read_bytes()
    assert added.path != weights
    assert checked_file(added) == added.path
    assert catalogue.card("my_net") == added
    assert added in catalogue.cards("detection")
    assert told[-1].done_bytes == told[-1].size_bytes == weights.stat().st_size
    assert sorted(path.name for path in catalogue.folder.rglob("*") if path.is_file()) == [
        "My net (v2).onnx",
        "card.toml",
    ]


def test_a_folder_is_taken_in_with_all_that_is_in_it(catalogue: Catalogue, tmp_path: Path):
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "data").write_bytes(b"numbers")
    added = catalogue.add(folder, card("saved", runtime="tensorflow"))
    assert (added.path / "variables" / "data").read_bytes() == b"numbers"
    assert checked_file(added) == added.path
    (added.path / "variables" / "data").write_bytes(b"others!")
    with pytest.raises(ModelMissing, match="is not the file that its card describes"):
        checked_file(added)


def test_without_a_copy_the_file_is_found_where_it_lies(catalogue: Catalogue, weights: Path):
    added = catalogue.add(weights, card(), copy=False)
    assert catalogue.card(added.name).path == weights
    catalogue.store.remove(added.name)
    catalogue.store.purge()
    assert weights.exists()


def test_the_same_bytes_are_one_model_whose_card_is_replaced(catalogue: Catalogue, weights: Path, tmp_path: Path):
    first = catalogue.add(weights, card())
    twin = shutil.copy(weights, tmp_path / "twin.onnx")
    second = catalogue.add(Path(twin), card("twin", task="pose"))
    assert (second.name, second.task) == (first.name, "pose")
    assert [one.name for one in catalogue.store.contents()[0]] == ["my_net"]
    assert checked_file(catalogue.card("my_net"))


def test_names_are_unique_and_fit_every_file_system(catalogue: Catalogue, tmp_path: Path):
    names = []
    for number in range(3):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(str(number).encode())
        names.append(catalogue.add(path, card("NanoDet_G_416_COCO" if number == 2 else "Net")).name)
    assert names == ["Net", "Net-2", "NanoDet_G_416_COCO-2"]


@pytest.mark.parametrize(
    ("wished", "tidy"),
    [("../../etc", "etc"), ("a b/c", "a_b_c"), ("CON", "model_CON"), ("nul.txt", "model_nul.txt"), ("", "model")]
    + [("..", "model"), ("é", "model"), ("x" * 200, "x" * 64), (".trash", "trash"), ("yolo11n-seg", "yolo11n-seg")],
)
def test_tidy_names(wished: str, tidy: str):
    assert tidy_name(wished) == tidy


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c, w: c.add(w.with_name("nothing.onnx"), card()), r"nothing\.onnx is not there"),
        (lambda c, w: c.add(c.add(w, card()).path, card()), "lies in the folder of models already"),
        (lambda c, w: Catalogue().add(w, card()), "no folder to keep models in"),
        (lambda c, w: Catalogue(Path(os.devnull) / "x").add(w, card()), "Nothing can be kept in"),
        (lambda c, w: c.store.update(card("nobody")), "no model called 'nobody'"),
        (lambda c, w: c.store.remove("nanodet_g_416_coco"), "no model of yours called 'nanodet"),
        (lambda c, w: c.store.remove(".."), r"no model of yours called '\.\.'"),
    ],
)
def test_what_cannot_be_done_is_told(catalogue: Catalogue, weights: Path, act: Callable, message: str):
    with pytest.raises(ModelError, match=message):
        act(catalogue, weights)
    assert not list(catalogue.folder.glob(".adding/*"))


def test_no_room_is_told_before_anything_is_copied(catalogue, weights, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(Path.home())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=30_000_000))
    with pytest.raises(ModelError, match=r"2.6 MB are needed, 30.0 MB are free"):
        catalogue.add(weights, card())
    assert catalogue.cards() == bundled_cards()


def test_a_copy_can_be_cancelled(catalogue: Catalogue, weights: Path):
    cancel = Cancel()
    with pytest.raises(DownloadCancelled):
        catalogue.add(weights, card(), told=lambda _: cancel.cancel(), cancel=cancel)
    assert catalogue.cards() == bundled_cards()
    assert not list(catalogue.folder.glob(".adding/*"))


# Removing ----------------------------------------------------------------------------------------------------------


def test_what_was_removed_can_be_brought_back_until_it_is_purged(catalogue: Catalogue, weights: Path):
    added = catalogue.add(weights, card())
    removed = catalogue.store.remove(added.name)
    assert catalogue.cards() == bundled_cards()
    assert catalogue.store.restore(removed) == added.name
    assert catalogue.card(added.name) == added
    removed = catalogue.store.remove(added.name)
    catalogue.add(weights, card(task="pose"))
    assert catalogue.store.restore(removed) == "my_net-2"
    removed = catalogue.store.remove(added.name)
    catalogue.store.purge()
    assert not removed.folder.exists()
    with pytest.raises(ModelError):
        catalogue.store.restore(removed)


# Cards -------------------------------------------------------------------------------------------------------------

ODD = {"a key": 'quote " back \\ \x7f \x00 \t é \U0001f600', "list": [[1, 2.5], ["x"]], "table": {"deep": {"on": True}}}


def test_a_card_comes_back_from_its_file(tmp_path: Path):
    written = card("x", options=ODD | {"none": None, "big": 1e30, "int": -3}, labels=("a", 'b"'), folder=tmp_path)
    write_card(written, tmp_path)
    assert replace(read_card(tmp_path), name="x") == replace(written, options=ODD | {"big": 1e30, "int": -3})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "missing 10 required"),
        ("title = ", "is damaged"),
        ('title = "x"\nname = 3', "cannot be used"),
        ("GOOD\nlabels = 'abc'", "'labels' is no list"),
        ("GOOD\nnonsense = 1", "unexpected keyword argument 'nonsense'"),
        ("GOOD\nurl = 5", "'url' is no str"),
        ("GOOD\ninput = 5", "'input' is no dict"),
        ("\xff\xfe", "is damaged"),
    ],
)
def test_a_damaged_card_is_listed_with_its_problem_and_can_be_removed(catalogue: Catalogue, text: str, problem: str):
    folder = catalogue.folder / "broken"
    folder.mkdir(parents=True)
    good = card_text(card(input={}, options={}, labels=()))
    (folder / "card.toml").write_text(text.replace("GOOD", good), encoding="latin-1")
    assert catalogue.cards() == bundled_cards()
    (damaged,) = catalogue.damaged()
    assert problem in damaged.problem
    with pytest.raises(ModelMissing, match="broken"):
        catalogue.card("broken")
    catalogue.store.remove("broken")
    assert catalogue.damaged() == []


def test_the_hash_of_a_large_file_is_taken_once_until_the_file_changes(weights: Path, monkeypatch: pytest.MonkeyPatch):
    read = []
    taken = cards._sha256
    monkeypatch.setattr(cards, "_sha256", lambda path: read.append(path) or taken(path))
    # As if the file were not of just now.
    monkeypatch.setattr(cards.time, "time", lambda: weights.stat().st_mtime + 60)
    first = fingerprint(weights)
    assert fingerprint(weights) == first
    assert len(read) == 1
    with weights.open("r+b") as file:
        file.write(b"other")
    os.utime(weights, (1, 1))
    assert fingerprint(weights) != first
    assert len(read) == 2


def test_one_catalogue_is_in_use_at_a_time(catalogue: Catalogue):
    before = current()
    put_back = use(catalogue)
    assert current() is catalogue
    put_back()
    assert current() is before


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5_613_764, "5.6 MB"), (816_000_000, "816 MB"), (2.4e9, "2.4 GB")],
)
def test_sizes_in_words(size: int, text: str):
    assert size_text(int(size)) == text


def test_times_in_words():
    assert [time_text(s) for s in (3.2, 89, 120, 3600, 7500)] == ["3 s", "89 s", "2 min", "60 min", "2 h 5 min"]


def test_cancelling_while_another_thread_registers_is_safe():
    cancel, calls = Cancel(), []
    with cancel.calling(lambda: calls.append(1)):
        thread = threading.Thread(target=cancel.cancel)
        thread.start()
        thread.join()
    cancel.cancel()
    assert calls == [1]
