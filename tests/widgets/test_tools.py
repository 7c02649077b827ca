"""The user's stage files in the window, the dialogs that prepare stages, and what follows when models come or go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QInputDialog

from scenescope.models.catalogue import Catalogue, use
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.user_stages import StageFolder
from scenescope.widgets.calibration_dialog import CalibrationDialog
from scenescope.widgets.gallery_dialog import GalleryDialog
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.params_form import ParamsForm

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were opened in the user's editor."""
    paths: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: paths.append(url.toLocalFile()))
    return paths


@pytest.fixture
def stages(tmp_path: Path) -> StageFolder:
    return StageFolder(tmp_path / "stages", fake_registry())


def test_a_new_stage_file_is_written_taken_up_and_its_form_follows_it(
    make_window: Any, qtbot: Any, stages: StageFolder, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    window: MainWindow = make_window(stage_folder=stages, registry=stages._registry)
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **more: ("soft outline", True))
    window.actions_["stage.new_file"].trigger()
    path = stages.folder / "soft_outline.py"
    assert opened == [str(path)]
    qtbot.waitUntil(lambda: "soft_outline" in stages._registry.names())
    qtbot.waitUntil(lambda: window.notices.notice.isVisible())
    window.stages.add("soft_outline")
    qtbot.waitUntil(lambda: window.stages.current_id == "soft_outline")
    assert isinstance(window.stages.form, ParamsForm)
    assert list(window.stages.form.rows) == ["low", "high"]

    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("high: int", "upper: int").replace("params.high", "params.upper"), encoding="utf-8")
    qtbot.waitUntil(lambda: isinstance(window.stages.form, ParamsForm) and "upper" in window.stages.form.rows)

    window.actions_["stage.folder"].trigger()
    assert opened[-1] == str(stages.folder)


@pytest.mark.parametrize("name", ["42", "_", "!?"])
def test_a_name_that_cannot_be_one_is_refused(
    make_window: Any, stages: StageFolder, opened: list[str], name: str
) -> None:
    window: MainWindow = make_window(stage_folder=stages)
    window.stage_files.write(name)
    assert "cannot be the name of a stage" in window.notices.notice.message.text()
    assert opened == []


def test_a_file_that_is_there_is_not_written_over(make_window: Any, stages: StageFolder, opened: list[str]) -> None:
    window: MainWindow = make_window(stage_folder=stages)
    stages.folder.mkdir(parents=True)
    (stages.folder / "mine.py").write_text("x = 1\n")
    window.stage_files.write("mine")
    assert "is there already" in window.notices.notice.message.text()
    assert (stages.folder / "mine.py").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("action", "kind"), [("window.people", GalleryDialog), ("window.calibrate", CalibrationDialog)]
)
def test_a_dialog_opens_once_and_ends_with_the_window(
    make_window: Any, qtbot: Any, tmp_path: Path, action: str, kind: type[QDialog]
) -> None:
    window: MainWindow = make_window(data_folder=tmp_path)
    window.show_source(FakeSource(None, live=True))
    qtbot.waitUntil(lambda: window.engine.latest_raw is not None)
    window.actions_[action].trigger()
    window.actions_[action].trigger()
    dialogs = [d for d in window.findChildren(QDialog) if isinstance(d, kind)]
    assert len(dialogs) == 1
    assert dialogs[0].isVisible()
    window.close()
    qtbot.waitUntil(lambda: not [d for d in window.findChildren(QDialog) if isinstance(d, kind)])


def test_a_stage_finds_its_network_when_that_comes(make_window: Any, qtbot: Any, tmp_path: Path) -> None:
    """A card of the user's is added while a pipeline waits for it."""
    from scenescope.models.cards import load_card
    from scenescope.pipelines import STAGES

    put_back = use(Catalogue(tmp_path / "models"))
    try:
        spec = PipelineSpec().added("detect", {"model": "mine"})
        window: MainWindow = make_window(spec=spec, registry=STAGES)
        window.show_source(FakeSource(None, live=True, size_wh=(160, 120)))
        qtbot.waitUntil(lambda: window.stages.model.rows[0].state.message.startswith("There is no model called 'mine'"))
        from dataclasses import replace

        from scenescope.models.catalogue import current

        card = load_card("nanodet_g_416_coco")
        current().add(card.path, replace(card, name="mine", origin="local"))
        window.models.changed.emit()
        qtbot.waitUntil(lambda: window.stages.model.rows[0].state.device == "CPU", timeout=20_000)
        assert isinstance(window.stages.form, ParamsForm)
        assert "mine" in [value for value, _ in window.stages.form.rows["model"].editor.field.choices]
    finally:
        window.close()
        put_back()
