"""Decode, detect, track, annotate, encode: the engine against a plain sequential loop over the same libraries.

Run: python benchmarks/throughput.py [video file] [rounds]
Without a file, 200 frames of the demo camera at 1280x720 are encoded first. Both contenders run in turns in one
process, so that the machine's mood hits both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import av
import psutil
from _table import alternate, show, spread

from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import load_card
from scenescope.models.vision.base import open_model
from scenescope.models.vision.placement import LoadOptions
from scenescope.pipelines import Frame, PipelineSpec, StageContext
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.overlay import OverlayPainter
from scenescope.pipelines.sinks.video import AnnotatedVideo
from scenescope.pipelines.sources.demo import DemoCamera
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.stages.track.track import Track


def make_clip(path: Path, frames: int = 200) -> None:
    """Encode the demo camera as H.264."""
    camera = DemoCamera(size_wh=(1280, 720), realtime=False, frame_limit=frames)
    camera.open()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for frame in camera:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="bgr24")))
        container.mux(stream.encode())
    camera.close()


def plain_loop(clip: Path, out: Path, threads: int) -> int:
    """What one writes first: one thread, one frame after the other; the libraries use all cores within a frame."""
    budget = ThreadBudget(1, threads)
    budget.apply()
    network = open_model(load_card("nanodet_g_416_coco"))
    network.load(LoadOptions("cpu", threads=budget))
    tracker, painter = Track(), OverlayPainter()
    tracker.open(StageContext(stage_id="track"))
    count = 0
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream("libx264", rate=video.average_rate, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        for count, picture in enumerate(source.decode(video), 1):
            image = picture.to_ndarray(format="bgr24")
            (found,) = network.infer([image])
            frame = tracker.process(Frame(image, count, float(picture.time)).with_result("detect", found))
            painted = image.copy()
            painter.paint(painted, [("detect", found), ("track", frame.result("track"))])
            target.mux(stream.encode(av.VideoFrame.from_ndarray(painted, format="bgr24")))
        target.mux(stream.encode())
    return count


def engine(clip: Path, out: Path) -> int:
    """The same job as ``scenescope run --video`` does it."""
    runner = Engine(PipelineSpec().added("detect").added("track"), sinks=[AnnotatedVideo(out)])
    runner.start(VideoFile(clip))
    runner.wait()
    count = runner.counts.analysed
    runner.stop()
    return count


def cpu_seconds(work) -> float:
    process = psutil.Process()
    before = process.cpu_times()
    work()
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system


def main(clip: str = "", rounds: str = "5") -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(clip) if clip else Path(folder) / "demo.mp4"
        if not clip:
            make_clip(path)
        out = Path(folder) / "out.mp4"
        cores = psutil.cpu_count() or 1
        frames = engine(path, out)
        assert frames == plain_loop(path, out, cores), "both must see every frame"
        contenders = {
            "plain sequential loop": lambda: plain_loop(path, out, cores),
            "scenescope engine": lambda: engine(path, out),
        }
        seconds = alternate(contenders, int(rounds))
        cpu = {name: cpu_seconds(work) for name, work in contenders.items()}
    plain = statistics.median(seconds["plain sequential loop"])
    rows = [
        (
            name,
            spread([frames / value for value in values]),
            f"{plain / statistics.median(values):.2f}",
            f"{cpu[name] / frames * 1e3:.1f}",
        )
        for name, values in seconds.items()
    ]
    show(
        f"Decode + detect + track + annotate + encode, {frames} frames of {path.name}, {rounds} rounds in turns",
        ("", "frames a second", "x plain loop", "CPU ms a frame"),
        rows,
        note="Frames a second: median (least to most). Loading the network is part of every run.",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
