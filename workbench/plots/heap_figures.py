"""Who holds the memory of a process, as a chart."""

from __future__ import annotations

import plotly.graph_objects as go

from workbench.samples import HeapProfile
from workbench.units import format_rough

_ALL = "all"


def draw_heap(profile: HeapProfile, *, is_allocated: bool = False) -> go.Figure:
    """Sampled stacks as an icicle chart: callers above, callees below, as wide as the bytes that they hold.

    Parameters
    ----------
    profile : HeapProfile
        What `read_heap` gave.
    is_allocated : bool
        Show what was allocated lately instead of what is in use.

    Returns
    -------
    Figure
        A click on a function shows it and its callees alone.
    """
    rows, seconds = profile.allocated() if is_allocated else (profile.in_use(), 0.0)
    what = f"allocated in the last {seconds:.3g} s" if is_allocated else "in use"
    paths: dict[tuple[str, ...], float] = {(): 0.0}
    places: dict[tuple[str, ...], str] = {(): ""}
    for stack, bytes_ in rows["bytes"].items():
        path: tuple[str, ...] = ()
        paths[path] += bytes_
        for frame in profile.stacks[int(stack)]:  # type: ignore[call-overload]
            path = (*path, frame.function)
            paths[path] = paths.get(path, 0.0) + bytes_
            places[path] = f"{frame.file}:{frame.line}" if frame.line else frame.module
    numbers = {path: str(number) for number, path in enumerate(paths)}
    figure = go.Figure(
        go.Icicle(
            ids=list(numbers.values()),
            labels=[path[-1] if path else _ALL for path in paths],
            parents=[numbers[path[:-1]] if path else "" for path in paths],
            values=list(paths.values()),
            branchvalues="total",
            text=[format_rough(bytes_, "bytes") for bytes_ in paths.values()],
            customdata=list(places.values()),
            hovertemplate="%{label}<br>%{text}, %{percentRoot:.1%}<br>%{customdata}<extra></extra>",
            texttemplate="%{label}  %{text}",
            tiling={"orientation": "v"},
            marker={"colorscale": "Teal"},
        )
    )
    total = format_rough(paths[()], "bytes")
    title = f"Process {profile.pid}: {total} {what}, by {len(profile.samples)} samples"
    depth = max((len(path) for path in paths), default=1)
    return figure.update_layout(
        template="plotly_white",
        title={"text": title, "font": {"size": 15}},
        uniformtext={"minsize": 10, "mode": "hide"},
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        height=120 + 26 * min(depth, 40),
    )
