"""Plugins: listed without being imported, never a crash."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scenescope.models import PluginError
from scenescope.pipelines import STAGES, Stage
from scenescope.pipelines.registry import Registry


def test_ours_are_registered_like_anybody_elses():
    assert {"detect", "track", "canny", "blur"} <= set(STAGES.names())
    assert {row.distribution for row in STAGES.rows() if row.name in ("detect", "track")} == {"scenescope"}


def test_listing_names_imports_nothing():
    code = (
        "import sys; from scenescope.pipelines import STAGES; names = STAGES.names(); "
        "print(len(names) > 3, 'scenescope.pipelines.stages.recognise.detect' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["True", "False"]


def test_an_unknown_name_is_an_error_with_a_cure():
    with pytest.raises(PluginError, match="no stage called 'x'") as caught:
        STAGES.get("x")
    assert caught.value.hint


class FakeEntry:
    def __init__(self, name, value):
        self.name, self._value, self.dist = name, value, None

    def load(self):
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (ImportError("No module named 'moon'"), "cannot be imported: No module named 'moon'"),
        (SyntaxError("invalid syntax"), "cannot be imported"),
        (dict, "is not a stage"),
        (42, "is not a stage"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_a_row_not_a_crash(monkeypatch, value, problem):
    monkeypatch.setattr(
        "scenescope.pipelines.registry.entry_points", lambda group: [FakeEntry("moon", value), FakeEntry("ok", Stage)]
    )
    registry: Registry[Stage] = Registry("scenescope.stages", Stage)
    assert registry.names() == ["moon", "ok"]
    rows = {row.name: row.problem for row in registry.rows()}
    assert problem in rows["moon"]
    assert rows["ok"] == ""
    assert registry.get("ok") is Stage
