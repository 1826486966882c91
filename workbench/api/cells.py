"""`%%allocations`: what a notebook's cell did to the allocator of its kernel.

It is read from the control block of the kernel's own process, by the roles that metrics have for every
allocator. Without a control block, what the system tells is left.
"""

from __future__ import annotations

import ast
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.bindings.allocator import count_live_bytes
from workbench.control import ControlBlock, Snapshot, find_blocks
from workbench.display import Displayed
from workbench.errors import WorkbenchError
from workbench.processes.memory import peak_resident_bytes, reset_peak_resident_bytes, resident_bytes
from workbench.table import Table, lay_out
from workbench.units import format_rough

if TYPE_CHECKING:
    import pandas as pd

#: In a kernel's environment: the variables that what its cells start must not inherit.
KERNEL_ONLY_VARIABLE = "WORKBENCH_KERNEL_ONLY"

# A long cell is sampled about so many times; each sample costs about 200 allocations.
_SAMPLES = 100
_SHORTEST_PERIOD_S = 0.02
#: What is sampled of memory, and the color of its line.
_MEMORY = {"in use": "#1f77b4", "in caches": "#ff7f0e", "resident": "#2ca02c"}
_WIDTH, _HEIGHT, _MARGIN = 420, 90, 14  # of the picture, in pixels
_NO_BLOCK = (
    "allocations are not counted: the allocator of this kernel publishes no control block; choose a kernel "
    "of `workbench kernel install`"
)
_PYMALLOC = (
    "blocks up to 512 B are CPython's own here, and are seen only as the arenas that it asks for; "
    "`workbench kernel install` gives a kernel without (PYTHONMALLOC=malloc)"
)


@dataclass(frozen=True, eq=False)
class CellAllocations(Displayed):
    """What a cell did to the allocator of its kernel; a notebook shows it with a small picture.

    Attributes
    ----------
    elapsed_s : float
        How long the cell ran.
    allocations, misses : int or None
        How many allocations there were, and how many of them found a cache empty; None: nobody counts them.
    peak_resident_bytes : int
        The most memory the process had resident while the cell ran.
    samples : pandas.DataFrame
        Bytes `in use`, `in caches` and `resident` by seconds; NaN where nobody tells. The first row is from
        before the cell, the last from its end.
    notes : sequence of str
        What cannot be told, and why.
    """

    elapsed_s: float
    allocations: int | None
    misses: int | None
    peak_resident_bytes: int
    samples: pd.DataFrame
    notes: Sequence[str]
    _before: Snapshot | None
    _after: Snapshot | None

    def to_table(self) -> Table:
        """How memory changed, below the counts."""
        first, last, most = self.samples.iloc[0], self.samples.iloc[-1], self.samples.max()
        most["resident"] = max(most["resident"], self.peak_resident_bytes)
        facts = [
            "allocations not counted"
            if self.allocations is None
            else f"{format_rough(self.allocations)} allocations"
        ]
        if self.misses is not None:
            facts.append(f"{format_rough(self.misses)} found a cache empty")
        return Table(
            ("memory", "change", "most"),
            [[name, _sign(last[name] - first[name]), _sign(most[name] - first[name])] for name in _MEMORY],
            right=("change", "most"),
            caption=", ".join([*facts, f"{format_rough(self.elapsed_s * 1e3, 'ms')}"]),
            notes=self.notes,
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each metric of the allocator, or for the bytes of `samples` if it has none.

        Columns: what it was before the cell and after it, and the change.
        """
        import pandas as pd

        if self._before is not None and self._after is not None:
            rows = pd.concat([self._before.to_frame(), self._after.to_frame()])
        else:
            rows = self.samples.iloc[[0, -1]].add_suffix("_bytes").reset_index()
        frame = rows.T.set_axis(["before", "after"], axis="columns").rename_axis("metric")
        return frame.assign(change=frame["after"] - frame["before"])

    def _repr_html_(self) -> str:
        return f"{_draw_changes(self.samples)}\n{super()._repr_html_()}"

    def __repr__(self) -> str:
        table = self.to_table()
        return "\n".join([table.caption, *lay_out(table, None).lines, *table.notes])


class _Watch:
    """Looks at this process before and after a cell, and now and then meanwhile."""

    _open: ClassVar[list[_Watch]] = []  # those of nested cells, the outer first

    def __init__(self) -> None:
        self._block, self._notes = _open_own_block()
        self._rows: list[tuple[float | None, ...]] = []
        self._peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="workbench-cell", daemon=True)

    def begin(self) -> None:
        """The cell begins now."""
        self._note_peaks()
        reset_peak_resident_bytes()
        self._open.append(self)
        self._began_s = time.perf_counter()
        # The first look imports what it needs; from the second to the third is what a look itself allocates.
        _, earlier, self._before = [self._look() for _ in range(3)]
        self._looked = _count(earlier, self._before, "operations") or 0
        self._rows[:] = [(0.0, *self._rows[-1][1:])]
        self._thread.start()
        self._began_s = time.perf_counter()

    def end(self) -> CellAllocations:
        """The cell has ended."""
        elapsed_s = time.perf_counter() - self._began_s
        self._is_over.set()
        self._thread.join()
        after = self._look()
        self._note_peaks()
        self._open.remove(self)
        allocations = _count(self._before, after, "operations")
        if self._block is not None:
            if allocations is None:
                self._notes.append(f"{self._block.info.kind} does not tell how many allocations there were")
            self._block.close()
        if allocations is not None:
            # All looks but the last are counted, and are no part of the cell.
            allocations = max(0, allocations - self._looked * (len(self._rows) - 1))
        import pandas as pd  # only now: the first time, it allocates more than most cells

        return CellAllocations(
            elapsed_s,
            allocations,
            _count(self._before, after, "misses"),
            self._peak_bytes,
            pd.DataFrame(self._rows, columns=["time_s", *_MEMORY], dtype=float).set_index("time_s"),
            self._notes,
            self._before,
            after,
        )

    def _note_peaks(self) -> None:
        """What was resident at most since the last reset is noted for every cell that is open."""
        peak_bytes = peak_resident_bytes(os.getpid())
        for watch in self._open:
            watch._peak_bytes = max(watch._peak_bytes, peak_bytes)

    def _look(self) -> Snapshot | None:
        live_bytes = count_live_bytes()  # first, since it may bring this thread's counts up to date
        snapshot = None if self._block is None else self._block.snapshot()
        if snapshot is not None:
            live_bytes = _fold(snapshot, "live")
        cached_bytes = None if snapshot is None else _fold(snapshot, "cached")
        time_s = time.perf_counter() - self._began_s
        self._rows.append((time_s, live_bytes, cached_bytes, resident_bytes(os.getpid())))
        return snapshot

    def _sample(self) -> None:
        period_s = _SHORTEST_PERIOD_S
        while not self._is_over.wait(period_s):
            self._look()
            period_s = max(_SHORTEST_PERIOD_S, (time.perf_counter() - self._began_s) / _SAMPLES)


def add_magic(shell: Any) -> None:
    """Give an IPython shell `%%allocations`; its children lose what only the kernel is to have."""
    from IPython.core.magic import no_var_expand, output_can_be_silenced

    for variable in os.environ.pop(KERNEL_ONLY_VARIABLE, "").split():
        os.environ.pop(variable, None)

    @no_var_expand
    @output_can_be_silenced
    def allocations(line: str, cell: str) -> object:
        """Tell what a cell allocates: how much, in what time, and what the caches did.

        %%allocations NAME also leaves the answer in a variable, with `to_frame()` and `samples`.
        What programs and processes that the cell starts allocate is not counted.
        """
        __tracebackhide__ = True
        return _run_watched(shell, line.strip(), cell)

    shell.register_magic_function(allocations, magic_kind="cell")


def _run_watched(shell: Any, name: str, cell: str) -> object:
    __tracebackhide__ = True
    from IPython.core.error import UsageError
    from IPython.display import display

    if name and not name.isidentifier():
        raise UsageError(f"%%allocations: '{name}' is not a name for a variable")
    run, pid, watch = _compile(shell, cell), os.getpid(), _Watch()
    watch.begin()
    try:
        return run()
    finally:
        if os.getpid() == pid:  # a child that the cell forked has nothing to tell
            answer = watch.end()
            display(answer)  # type: ignore[no-untyped-call]
            if name:
                shell.user_ns[name] = answer


def _compile(shell: Any, cell: str) -> Callable[[], object]:
    """The cell as the shell would run it; its value is that of an expression at its end."""
    source = shell.transform_cell(cell)
    file = shell.compile.cache(source, shell.execution_count)  # a traceback shows its lines
    tree = shell.transform_ast(shell.compile.ast_parse(source, file))
    last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    steps = shell.compile(tree, file, "exec")
    value = shell.compile(ast.Expression(last[0].value), file, "eval") if last else None

    def run() -> object:
        __tracebackhide__ = True  # a traceback shows the cell's lines
        exec(steps, shell.user_ns)
        return eval(value, shell.user_ns) if value is not None else None

    return run


def _open_own_block() -> tuple[ControlBlock | None, list[str]]:
    """The control block of whoever serves `malloc` in this process, and what cannot be told."""
    notes = [_PYMALLOC] if sys.getallocatedblocks() else []
    served = [info for info in find_blocks(os.getpid()) if info.serves_malloc]
    try:
        return (ControlBlock.open(served[0].path), notes) if served else (None, [_NO_BLOCK, *notes])
    except WorkbenchError as error:
        return None, [str(error), *notes]


def _fold(snapshot: Snapshot, role: str) -> int | None:
    """The sum of the metrics that have a role; None if there is none."""
    values = [snapshot.fold(name) for name, metric in snapshot.layout.metrics.items() if metric.role == role]
    return round(sum(values)) if values else None


def _count(before: Snapshot | None, after: Snapshot | None, role: str) -> int | None:
    if before is None or after is None:
        return None
    first, last = _fold(before, role), _fold(after, role)
    return None if first is None or last is None else last - first


def _sign(change_bytes: float) -> str:
    return f"{'+' if change_bytes > 0 else ''}{format_rough(change_bytes, 'bytes')}"


def _draw_changes(samples: pd.DataFrame) -> str:
    """A picture of how memory changed. No chart library: a cell should show its answer at once."""
    changes = (samples - samples.iloc[0]).dropna(axis="columns", how="all")
    low, high, end_s = min(0.0, changes.min().min()), max(1.0, changes.max().max()), samples.index[-1]
    across = (changes.index.to_numpy() / end_s).clip(0.0, 1.0) * _WIDTH
    lines = []
    for number, name in enumerate(name for name in _MEMORY if name in changes):
        heights = _MARGIN + (high - changes[name].to_numpy()) / (high - low) * _HEIGHT
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, heights, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{_MEMORY[name]}" stroke-width="1.5"/>')
        place = f'x="{_WIDTH + 6}" y="{(number + 2) * _MARGIN}" fill="{_MEMORY[name]}"'
        lines.append(f"<text {place}>{name}</text>")
    below = f'y="{_HEIGHT + 2 * _MARGIN}" fill="gray"'
    return (
        f'<svg width="{_WIDTH + 90}" height="{_HEIGHT + 2 * _MARGIN + 4}" font-size="11" '
        f'font-family="sans-serif">{"".join(lines)}<text x="0" y="10" fill="gray">{_sign(high)}</text>'
        f'<text x="0" {below}>0</text><text x="{_WIDTH}" text-anchor="end" {below}>'
        f"{format_rough(end_s * 1e3, 'ms')}</text></svg>"
    )
