"""`scenescope probe`."""

from __future__ import annotations

import json

import pytest


def test_probe_tells_the_facts_as_json(in_process, uneven_film):
    done = in_process("probe", uneven_film, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["frame_count"] == 60
    assert facts["constant_rate"] is False
    assert facts["rotation_deg"] == 0
    assert facts["damage"] == []
    video = facts["streams"][facts["video_index"]]
    assert (video["type"], video["codec"], video["width"], video["height"]) == ("video", "h264", 160, 120)


def test_probe_tells_people_what_is_damaged(in_process, film, tmp_path):
    whole = film.read_bytes()
    broken = tmp_path / "broken.mp4"
    # The pictures' last part; the table of contents behind it stays whole.
    start, end = whole.index(b"mdat") + 4, whole.rindex(b"moov") - 4
    at = start + (end - start) * 2 // 3
    broken.write_bytes(whole[:at] + bytes(end - at) + whole[end:])
    done = in_process("probe", broken)
    assert done.exit_code == 0, done.output
    damage = [line for line in done.stdout.splitlines() if line.startswith("Damage")]
    assert damage
    assert "none found" not in damage[0]


def test_probe_says_what_a_whole_film_is(in_process, film):
    lines = in_process("probe", film).stdout.splitlines()
    assert lines[1].split("  ")[-1].endswith("40 pictures")
    assert lines[2].endswith("constant, 25 a second")
    assert lines[-1].endswith("none found")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.mp4", None, "does not exist"),
        ("empty.mp4", b"", "is empty"),
        ("text.mp4", b"hello " * 100, "is not a video"),
    ],
)
def test_what_is_no_film_is_one_sentence_and_code_2(in_process, tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    done = in_process("probe", path, "--json")
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""
