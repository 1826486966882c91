"""Who holds the memory of a process, as a chart."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from workbench.samples import HeapProfile
from workbench.units import format_rough

_ALL = "all"
Path = tuple[str, ...]


@dataclass(frozen=True)
class Icicle:
    """Functions on stacks as the parts of an icicle chart; the first is the whole.

    Attributes
    ----------
    ids, labels, parents : list of str
    bytes : list of float
    texts : list of str
        The bytes, as a person reads them.
    places : list of str
        File and line, or the module.
    depth : int
        Functions on the longest stack, and one for the whole.
    """

    ids: list[str]
    labels: list[str]
    parents: list[str]
    bytes: list[float]
    texts: list[str]
    places: list[str]
    depth: int


def build_icicle(
    profile: HeapProfile, rows: pd.DataFrame, numbers: dict[Path, int], most: int | None = None
) -> Icicle:
    """Add up the bytes of stacks by their functions.

    Parameters
    ----------
    profile : HeapProfile
        Where the stacks are from.
    rows : frame
        Rows of `in_use` or `allocated`.
    numbers : dict
        Ids that were given before, so that a part keeps its id; new ones are added.
    most : int, optional
        Only the largest parts, at most so many.
    """
    paths: dict[Path, float] = {(): 0.0}
    places: dict[Path, str] = {(): ""}
    for stack, bytes_ in rows["bytes"].items():
        path: Path = ()
        paths[path] += bytes_
        for frame in profile.stacks[int(stack)]:  # type: ignore[call-overload]
            path = (*path, frame.function)
            paths[path] = paths.get(path, 0.0) + bytes_
            places[path] = f"{frame.file}:{frame.line}" if frame.line else frame.module
    # A caller has at least the bytes of its callees, and comes before them: it is never cut off first.
    kept = sorted(paths, key=lambda path: -paths[path])[:most]
    ids = {path: str(numbers.setdefault(path, len(numbers))) for path in kept}
    return Icicle(
        ids=list(ids.values()),
        labels=[path[-1] if path else _ALL for path in kept],
        parents=[ids[path[:-1]] if path else "" for path in kept],
        bytes=[paths[path] for path in kept],
        texts=[format_rough(paths[path], "bytes") for path in kept],
        places=[places[path] for path in kept],
        depth=max(len(path) for path in kept) + 1,
    )


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
    icicle = build_icicle(profile, rows, {})
    figure = go.Figure(
        go.Icicle(
            ids=icicle.ids,
            labels=icicle.labels,
            parents=icicle.parents,
            values=icicle.bytes,
            branchvalues="total",
            text=icicle.texts,
            customdata=icicle.places,
            hovertemplate="%{label}<br>%{text}, %{percentRoot:.1%}<br>%{customdata}<extra></extra>",
            texttemplate="%{label}  %{text}",
            tiling={"orientation": "v"},
            marker={"colors": icicle.bytes, "colorscale": "Teal"},
        )
    )
    title = f"Process {profile.pid}: {icicle.texts[0]} {what}, by {len(profile.samples)} samples"
    return figure.update_layout(
        template="plotly_white",
        title={"text": title, "font": {"size": 15}},
        uniformtext={"minsize": 10, "mode": "hide"},
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        height=120 + 26 * min(icicle.depth, 40),
    )
