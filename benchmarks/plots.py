"""Draw results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def soak_plot(figures: dict[str, Any], path: Path) -> None:
    """Draw memory, tasks, sockets and the loop's worst lag of each second over the time of a soak."""
    minutes = [sample[0] / 60 for sample in figures["samples"]]
    figure = Figure(figsize=(8, 7), layout="constrained")
    names = ("resident memory (MB)", "tasks", "open files and sockets", "worst lag of the loop in a second (ms)")
    for row, (axes, name) in enumerate(zip(figure.subplots(4, 1, sharex=True), names, strict=True), start=1):
        axes.plot(minutes, [sample[row] for sample in figures["samples"]], linewidth=0.8, rasterized=False)
        axes.set_ylim(bottom=0)
        axes.set_title(name, loc="left", fontsize=9)
    axes.set_xlabel("minutes")
    versions = figures["versions"]
    figure.suptitle(
        f"{figures['per_second']:.0f} requests/s, {figures['machine']}, "
        f"Python {versions['python']}, aiohttp {versions['aiohttp']}",
        fontsize=10,
    )
    figure.savefig(path)


def bench_plot(found: dict[str, Any], path: Path) -> None:
    """Draw the ratios of one comparison as bars, with their quartiles; values where there is nothing to divide by."""
    rows = found["rows"][::-1]
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    column = "ratio" if all(row["ratio"] is not None for row in rows) else "value"
    heights = [row[column] for row in rows]
    colours = ["C1" if row["name"].startswith("vendorauth") else "C0" for row in rows]
    bars = axes.barh([row["name"] for row in rows], heights, color=colours, height=0.7)
    axes.bar_label(bars, [f"{height:.3g}" for height in heights], padding=3, fontsize=8)
    axes.set_xscale(found["scale"])
    axes.margins(x=0.1)
    if column == "ratio":
        axes.axvline(1.0, color="black", linewidth=0.6)
    axes.set_xlabel(f"times {found['reference']}" if column == "ratio" else found["unit"], fontsize=9)
    axes.tick_params(labelsize=8)
    versions = ", ".join(f"{name} {one}" for name, one in list(found["versions"].items())[:3])
    figure.suptitle(f"{found['title']}\n{found['machine']}, {versions}", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
