"""`scenescope probe`: what is in a video file, for people."""

from __future__ import annotations

from scenescope.pipelines.sources.probe import ProbeReport, StreamFacts

__all__ = ["report_text"]


def report_text(report: ProbeReport) -> str:
    """A report as lines of text; damage comes last, where it is seen."""
    count = f"{report.frame_count} picture{'s' * (report.frame_count != 1)}"
    if report.constant_rate:
        rate = f"constant, {report.rate_hz:.6g} a second"
    else:
        steps = f"{report.least_step_s * 1000:.1f} to {report.most_step_s * 1000:.1f} ms apart"
        rate = f"variable, {report.rate_hz:.6g} a second on average, {steps}"
    rows = [
        ("File", f"{report.path}, {report.container}, {report.size_bytes:,} bytes"),
        ("Length", f"{report.duration_s:.3f} s, {count}"),
        ("Rate", rate),
        *((f"Stream {stream.index}", _stream(stream)) for stream in report.streams),
    ]
    if report.rotation_deg or report.mirrored:
        turned = [f"turned by {report.rotation_deg}° clockwise"] * bool(report.rotation_deg)
        rows.append(("Shown", ", ".join([*["mirrored"] * report.mirrored, *turned])))
    if report.sample_aspect_ratio != "1:1":
        rows.append(("Pixels", f"{report.sample_aspect_ratio}, not square"))
    if report.first_pts_s:
        rows.append(("Begins at", f"{report.first_pts_s:.3f} s by its own clock"))
    rows += [("Damage", sentence) for sentence in report.damage] or [("Damage", "none found")]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows)


def _stream(stream: StreamFacts) -> str:
    size = f"{stream.width}x{stream.height}" if stream.width else ""
    rate = f"{stream.rate_hz:.6g} a second" if stream.rate_hz else ""
    sound = f"{stream.sample_rate} Hz, {stream.channels} channels" if stream.sample_rate else ""
    parts = (stream.type, stream.codec, stream.pixel_format, size, rate, sound, stream.language)
    return ", ".join(part for part in parts if part)
