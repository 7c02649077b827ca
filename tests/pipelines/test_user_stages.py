"""The user's stage files: taken up when saved, without a restart and without loading anything twice."""

from __future__ import annotations

import threading

import pytest

from scenescope.models import PluginError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineFault, PipelineChanged, StagePhase
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.user_stages import StageFolder, template

STAGE = '''
import numpy as np
from scenescope.pipelines import Frame, Stage, StageParams

class Paint(Stage, title="Paint", group="Mine"):
    """Paint the picture in one grey."""

    class Params(StageParams):
        add: int = 0

    def open(self, context):
        opened.append(1)
        self.loaded = {"grey": lambda: 10}

    def process(self, frame: Frame) -> Frame:
        grey = self.loaded["grey"]() + self.params.add
        return frame.with_image(np.full_like(frame.image, grey))
'''.replace("opened.append(1)", "import sys; sys.modules['scenescope_opened'].append(1)")


@pytest.fixture
def opened(monkeypatch):
    """Grows by one whenever the stage is opened."""
    import sys

    counted: list[int] = []
    monkeypatch.setitem(sys.modules, "scenescope_opened", counted)
    return counted


@pytest.fixture
def folder(tmp_path):
    return StageFolder(tmp_path / "stages", fake_registry())


def save(folder: StageFolder, text: str, name: str = "paint.py") -> None:
    folder.folder.mkdir(exist_ok=True)
    (folder.folder / name).write_text(text)


def test_a_folder_that_is_not_there_has_no_stages(folder):
    assert folder.scan() == []


def test_a_saved_file_is_registered_once_and_forgotten_when_removed(folder):
    save(folder, STAGE)
    save(folder, "def broken(", "_notes.py")
    (news,) = folder.scan()
    assert (news.kinds, news.problem) == (("paint",), "")
    assert folder._registry.get("paint").info.title == "Paint"
    assert folder.scan() == []
    (folder.folder / "paint.py").unlink()
    (gone,) = folder.scan()
    assert gone.kinds == ("paint",)
    assert "was removed" in gone.problem
    with pytest.raises(PluginError):
        folder._registry.get("paint")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def broken(", "paint.py, line 1: '(' was never closed."),
        ("import nowhere_at_all\n", "paint.py, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'."),
        ("\n\n1 / 0\n", "paint.py, line 3: ZeroDivisionError: division by zero."),
        ("x = 1\n", "paint.py has no stage: a subclass of Stage with a title is needed."),
        (
            STAGE.replace("class Paint", "class Tint"),
            "paint.py: there is a stage called 'tint' already; rename the class.",
        ),
        ("\0", "source code string cannot contain null bytes"),
    ],
)
def test_a_file_that_cannot_be_taken_up_says_why_and_leaves_the_former_code(folder, text, sentence):
    save(folder, STAGE)
    folder.scan()
    before = folder._registry.get("paint")
    save(folder, text)
    (news,) = folder.scan()
    assert sentence in news.problem
    assert news.kinds == ("paint",)
    assert folder._registry.get("paint") is before


def test_the_template_is_a_stage(folder):
    save(folder, template("SoftEdges"), "soft_edges.py")
    (news,) = folder.scan()
    assert (news.kinds, news.problem) == (("soft_edges",), "")
    assert folder._registry.get("soft_edges").info.title == "Soft Edges"


def test_a_running_pipeline_takes_up_new_code_and_keeps_what_is_loaded(folder, opened):
    save(folder, STAGE)
    folder.scan()
    engine = Engine(PipelineSpec().added("paint", {"add": 1}), registry=folder._registry)
    greys: list[int] = []
    seen = threading.Condition()
    states: list[PipelineChanged] = []
    faults: list[EngineFault] = []

    def listen(event):
        with seen:
            if isinstance(event, PipelineChanged):
                states.append(event)
            if isinstance(event, EngineFault):
                faults.append(event)
            latest = engine.latest
            if latest is not None:
                greys.append(int(latest.image[0, 0, 0]))
            seen.notify_all()

    def wait_for(condition):
        with seen:
            assert seen.wait_for(condition, 10)

    def news(text):
        save(folder, text)

    def tell(files):
        for file in files:
            engine.renew(file.kinds, file.problem)

    engine.subscribe(listen)
    engine.start(FakeSource(count=None, live=True, rate_hz=50))
    end = folder.watch(tell)
    try:
        wait_for(lambda: greys and greys[-1] == 11)

        # New code in process: taken up, nothing opened again.
        news(STAGE.replace("+ self.params.add", "+ self.params.add + 100").replace("\nclass", "\n\n\nclass"))
        wait_for(lambda: greys[-1] == 111)
        assert opened == [1]

        # A mistake: told on the stage, the old code goes on.
        news(STAGE.replace("def process(self", "def process(self,,"))
        wait_for(lambda: states[-1].stages[0].code_problem.startswith("paint.py, line "))
        assert states[-1].stages[0].phase is StagePhase.READY
        wait_for(lambda: greys[-1] == 111)

        # Mended: the sentence is gone.
        news(STAGE.replace("+ self.params.add", "+ self.params.add + 50"))
        wait_for(lambda: greys[-1] == 61 and not states[-1].stages[0].code_problem)
        assert opened == [1]

        # Another open: loaded again.
        news(STAGE.replace("lambda: 10", "lambda: 30"))
        wait_for(lambda: greys[-1] == 31)
        assert opened == [1, 1]

        # A parameter that the pipeline uses is gone: told, the old code goes on.
        news(STAGE.replace("add: int", "plus: int").replace("params.add", "params.plus"))
        wait_for(lambda: "there is no parameter 'add'" in states[-1].stages[0].code_problem)
        wait_for(lambda: greys[-1] == 31)
    finally:
        end()
        assert engine.stop(10)
    assert not faults
