"""Made-up control blocks, published by this process through the C writer, for tests of what reads blocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from workbench.bindings.native import ffi, lib
from workbench.control.block import ControlBlock
from workbench.control.description import EFFECTS, FOLDS, KINDS, ROLES, SCALES, TYPES
from workbench.control.event import EventKind
from workbench.control.metric import Axis, Metric
from workbench.control.tunable import Constraint, Tunable, Value
from workbench.errors import WorkbenchError, describe_unknown

_ACCESS = {"off": 0, "read": 1, "write": 2}

#: What `make_block` publishes unless told otherwise: nothing that an allocator has.
POND_TUNABLES = (
    Tunable("pond.depth", "Water", "m", "How deep it is.", minimum=1, maximum=40, default=4),
    Tunable("pond.lowest", "Water", "m", "Never shallower.", minimum=1, maximum=40, default=2),
    Tunable(
        "pond.volume",
        "Water",
        "bytes",
        "Room for fish.",
        scale="log",
        minimum=0,
        maximum=2.0**40,
        default=2**20,
    ),
    Tunable("pond.frozen", "Water", "", "Ice on top.", "bool", default=False),
    Tunable("fish.share", "Fish", "fish/m", "Fish a metre.", "real", minimum=0.25, maximum=4, default=0.75),
    Tunable(
        "fish.colour",
        "Fish",
        "",
        "Of new fish.",
        "choice",
        ("blue", "green", "brown"),
        maximum=2,
        default="blue",
    ),
    Tunable("fish.age", "Fish", "years", "Of new fish.", effect="new threads", maximum=99, default=1),
    Tunable(
        "pond.shores",
        "Water",
        "",
        "Fixed when dug.",
        effect="start",
        minimum=1,
        maximum=8,
        default=4,
        environment="POND_SHORES",
    ),
)
POND_CONSTRAINTS = (Constraint("pond.lowest", "pond.depth"),)
POND_AXES = (
    Axis("thread", 8),
    Axis("species", 4, ("carp", "koi", "perch", "pike"), ("quiet", "quiet", "wild", "wild")),
)
POND_METRICS = (
    Metric("thread.id", "Threads", role="thread id", fold="max", axes=("thread",)),
    Metric("thread.adopted", "Threads", "generation", role="adopted", fold="max", axes=("thread",)),
    Metric(
        "fish.caught",
        "Fish",
        "fish",
        "So far.",
        "Catch",
        "counter",
        role="operations",
        axes=("thread", "species"),
    ),
    Metric(
        "fish.length",
        "Fish",
        "cm",
        "Longest.",
        "Length",
        fold="max",
        is_step=True,
        axes=("thread", "species"),
    ),
    Metric("fish.count", "Fish", "fish", "In the pond.", "Stock", axes=("species",), is_step=True),
    Metric("pond.level", "Water", "m", "Of the water.", "Level"),
    Metric("pond.casts", "Fish", "casts", "Lines thrown.", kind="counter"),
    Metric(
        "fish.luck",
        "Fish",
        "fish/cast",
        "Catch a cast.",
        "Luck",
        "quotient",
        operands=("fish.caught", "pond.casts"),
    ),
    Metric(
        "fish.free",
        "Fish",
        "fish",
        "Not yet caught.",
        kind="difference",
        operands=("fish.count", "fish.caught"),
    ),
)
POND_EVENT_KINDS = (
    EventKind("FISH_BORN", "A fish hatched.", "fish", True, "species"),
    EventKind("RAIN", "It rained.", "m", True),
    EventKind("VISIT", "Somebody came.", "people"),
)
POND_EVENT_CAUSES = ("NONE", "SPRING", "TUNABLE")


class MadeUpBlock:
    """A block that this process publishes: its writer's side. A context manager that retires it.

    Attributes
    ----------
    path : Path
        Its file, to be opened with `ControlBlock.open`.
    """

    def __init__(self, content: _Content, kind: str, build: str, access: str, event_capacity: int) -> None:
        self._content = content
        self._block = ffi.new("struct hak_block *")
        spec, _keep = content.make_spec(kind, build, event_capacity)
        if lib.block_create(self._block, spec, _ACCESS[access]) != 0:
            raise WorkbenchError("no memory for a control block")
        self.path = Path(ffi.string(self._block.path).decode())
        self._adopter: threading.Thread | None = None
        self._stops = threading.Event()

    def open(self) -> ControlBlock:
        """Open the block as any other reader does."""
        return ControlBlock.open(self.path)

    def write(self, name: str, values: npt.ArrayLike) -> None:
        """Store the words of a metric.

        Parameters
        ----------
        name : str
            A stored metric.
        values : array_like of int
            Broadcast over all rows that its axes can have.
        """
        metric = self._content.metrics[name]
        shape = tuple(self._content.axes[axis].maximum for axis in metric.axes)
        words = np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.int64), shape))
        pointer = ffi.cast("uint64_t *", ffi.from_buffer(words))
        lib.block_store_words(self._block, self._content.offsets[name], pointer, words.size)

    def set_rows(self, axis: str, count: int) -> None:
        """Change how many rows of an axis are in use."""
        lib.hak_block_set_axis_count(self._block, list(self._content.axes).index(axis), count)

    def append_event(
        self,
        kind: str,
        old_value: float = 0.0,
        new_value: float = 0.0,
        *,
        item: int | None = None,
        cause: str = "NONE",
        thread: int = 1,
        operation: int = 0,
        time_s: float | None = None,
    ) -> None:
        """Append an event to the ring; `time_s` is CLOCK_MONOTONIC, now if not given."""
        event = ffi.new("struct hak_event *")
        event.time_ns = time.monotonic_ns() if time_s is None else round(time_s * 1e9)
        event.old_value, event.new_value = old_value, new_value
        event.kind = [known.name for known in self._content.event_kinds].index(kind)
        event.cause = self._content.event_causes.index(cause)
        event.item = lib.HAK_NO_AXIS if item is None else item
        event.thread, event.operation = thread, operation
        lib.hak_block_append_event(self._block, event)

    def generation(self) -> int:
        """Generation of the settings that were requested last."""
        return int(lib.hak_block_generation(self._block))

    def adopt(self) -> int:
        """Make the requested settings effective, for every thread; returns their generation."""
        words = ffi.new("double[]", max(len(self._content.tunables), 1))
        generation = ffi.new("uint64_t *")
        if lib.hak_block_copy_requested(self._block, words, generation) != 0:
            raise WorkbenchError("a setter keeps interfering")
        lib.hak_block_publish_effective(self._block, words, generation[0])
        for metric in self._content.metrics.values():
            if metric.role == "adopted":
                self.write(metric.name, int(generation[0]))
        return int(generation[0])

    def adopt_always(self, interval_s: float = 0.01) -> None:
        """Adopt whatever is requested, from a thread, until the block is retired."""

        def run() -> None:
            adopted = 0
            while not self._stops.wait(interval_s):
                if self.generation() != adopted:
                    adopted = self.adopt()

        self._adopter = threading.Thread(target=run, name="adopter", daemon=True)
        self._adopter.start()

    def retire(self) -> None:
        """End it as a process that exits does: open readers see it ended, the file is gone."""
        self._stops.set()
        if self._adopter is not None:
            self._adopter.join()
        lib.hak_block_retire(self._block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.retire()


def make_block(
    *,
    kind: str = "pond",
    tunables: Sequence[Tunable] = POND_TUNABLES,
    constraints: Sequence[Constraint] = POND_CONSTRAINTS,
    metrics: Sequence[Metric] = POND_METRICS,
    axes: Sequence[Axis] = POND_AXES,
    event_kinds: Sequence[EventKind] = POND_EVENT_KINDS,
    event_causes: Sequence[str] = POND_EVENT_CAUSES,
    rows: Mapping[str, int] | None = None,
    values: Mapping[str, Value] | None = None,
    access: str = "write",
    event_capacity: int = 256,
    build: str = "made up",
) -> MadeUpBlock:
    """Publish a block of this process.

    Parameters
    ----------
    kind : str
        A process has one block of a kind: a second one takes the first one's name.
    tunables, constraints, metrics, axes, event_kinds, event_causes : sequences
        What it describes.
    rows : mapping of str to int, optional
        Rows in use at first, by axis; else as many as have labels, or all.
    values : mapping of str to Value, optional
        Where values differ from the defaults at first.
    access : {"write", "read", "off"}
        What other readers may do.
    event_capacity : int
        Events the ring keeps, a power of two.
    build : str
        What it says of its build.

    Returns
    -------
    MadeUpBlock
        To write to; open its `path` to read.
    """
    content = _Content(
        tunables, constraints, metrics, axes, event_kinds, event_causes, rows or {}, values or {}
    )
    return MadeUpBlock(content, kind, build, access, event_capacity)


class _Content:
    """Descriptors in Python, and as the C structures that the writer takes."""

    def __init__(
        self,
        tunables: Sequence[Tunable],
        constraints: Sequence[Constraint],
        metrics: Sequence[Metric],
        axes: Sequence[Axis],
        event_kinds: Sequence[EventKind],
        event_causes: Sequence[str],
        rows: Mapping[str, int],
        values: Mapping[str, Value],
    ) -> None:
        self.tunables = {tunable.name: tunable for tunable in tunables}
        self.constraints = constraints
        self.metrics = {metric.name: metric for metric in metrics}
        self.axes = {axis.name: axis for axis in axes}
        self.event_kinds = event_kinds
        self.event_causes = list(event_causes)
        self._rows = rows
        self._values = values
        for name in values:
            if name not in self.tunables:
                raise WorkbenchError(describe_unknown("tunable", name, self.tunables))
        self.offsets: dict[str, int] = {}
        self.data_bytes = 0
        for metric in metrics:
            if not metric.is_derived:
                self.offsets[metric.name] = self.data_bytes
                rows_each = [self.axes[axis].maximum for axis in metric.axes]
                self.data_bytes += 8 * int(np.prod(rows_each, dtype=np.int64))

    def make_spec(self, kind: str, build: str, event_capacity: int) -> tuple[Any, list[Any]]:
        """Build the writer's specification, and all that it points to, which the caller keeps alive."""
        keep: list[Any] = [ffi.new("char[]", kind.encode()), ffi.new("char[]", build.encode())]
        spec = ffi.new("struct hak_block_spec *")
        spec.kind, spec.build = keep

        def fill(field: str, records: Sequence[Mapping[str, Any]]) -> None:
            array = ffi.new(f"struct hak_{field}[]", max(len(records), 1))
            for number, record in enumerate(records):
                for name, value in record.items():
                    setattr(array[number], name, value)
            keep.append(array)
            setattr(spec, f"{field}s", array)
            setattr(spec, f"{field}_count", len(records))

        fill("tunable", [_tunable_record(tunable) for tunable in self.tunables.values()])
        fill("constraint", [self._constraint_record(constraint) for constraint in self.constraints])
        fill("metric", [self._metric_record(metric) for metric in self.metrics.values()])
        fill("axis_item", [record for axis in self.axes.values() for record in _item_records(axis)])
        fill("event_kind", [self._kind_record(kind) for kind in self.event_kinds])
        fill("event_cause", [{"name": cause.encode()} for cause in self.event_causes])
        axes = ffi.new("struct hak_axis[]", max(len(self.axes), 1))
        first_item = 0
        for number, axis in enumerate(self.axes.values()):
            axes[number].name = axis.name.encode()
            axes[number].maximum = axis.maximum
            axes[number].count = self._rows.get(axis.name, len(axis.labels) or axis.maximum)
            axes[number].first_item, axes[number].item_count = first_item, len(axis.labels)
            first_item += len(axis.labels)
        spec.axes, spec.axis_count = axes, len(self.axes)
        words = [
            tunable.to_word(self._values.get(name, tunable.default))
            for name, tunable in self.tunables.items()
        ]
        initial_values = ffi.new("double[]", words or [0.0])
        spec.initial_values = initial_values
        spec.data_bytes, spec.event_capacity = self.data_bytes, event_capacity
        return spec, [*keep, axes, initial_values]

    def _constraint_record(self, constraint: Constraint) -> dict[str, Any]:
        names = list(self.tunables)
        return {
            "lower": names.index(constraint.lower),
            "upper": names.index(constraint.upper),
            "strict": constraint.is_strict,
        }

    def _metric_record(self, metric: Metric) -> dict[str, Any]:
        axis_names, metric_names = list(self.axes), list(self.metrics)
        indices = [axis_names.index(axis) for axis in metric.axes]
        strides = [8] * len(indices)
        if len(indices) == 2:
            strides[0] = 8 * self.axes[metric.axes[1]].maximum
        operands = [metric_names.index(operand) for operand in metric.operands] or [0, 0]
        return _texts(metric, "name", "group", "unit", "help", "chart") | {
            "kind": KINDS.index(metric.kind),
            "fold": FOLDS.index(metric.fold),
            "role": ROLES.index(metric.role),
            "is_step": metric.is_step,
            "axis": [*indices, lib.HAK_NO_AXIS, lib.HAK_NO_AXIS][:2],
            "stride": [*strides, 0, 0][:2],
            "operand_a": operands[0],
            "operand_b": operands[1],
            "offset": self.offsets.get(metric.name, 0),
        }

    def _kind_record(self, kind: EventKind) -> dict[str, Any]:
        axis = lib.HAK_NO_AXIS if kind.axis is None else list(self.axes).index(kind.axis)
        return _texts(kind, "name", "help", "unit") | {"is_capacity": kind.is_capacity, "axis": axis}


def _texts(item: object, *names: str) -> dict[str, Any]:
    return {name: getattr(item, name).encode() for name in names}


def _tunable_record(tunable: Tunable) -> dict[str, Any]:
    return _texts(tunable, "name", "group", "unit", "help", "environment") | {
        "choices": ",".join(tunable.choices).encode(),
        "type": TYPES.index(tunable.type),
        "scale": SCALES.index(tunable.scale),
        "effect": EFFECTS.index(tunable.effect),
        "flags": lib.HAK_TUNABLE_WRITE_ONLY if tunable.is_write_only else 0,
        "minimum": tunable.minimum,
        "maximum": tunable.maximum,
        "default_value": tunable.to_word(tunable.default),
    }


def _item_records(axis: Axis) -> list[dict[str, Any]]:
    groups = axis.groups or ("",) * len(axis.labels)
    return [
        {"label": label.encode(), "group": group.encode()}
        for label, group in zip(axis.labels, groups, strict=True)
    ]
