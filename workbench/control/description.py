"""What a control block says of itself: its descriptors, read once and checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from workbench.bindings.reader import TUNABLE_ACTION, TUNABLE_WRITE_ONLY, Reader
from workbench.control.event import EventKind
from workbench.control.metric import Axis, Fold, Metric, MetricKind, Role
from workbench.control.tunable import Action, Constraint, Effect, Scale, Tunable, TunableType
from workbench.errors import DamagedBlock

# Names by the number that the block stores.
TYPES: tuple[TunableType, ...] = get_args(TunableType)
SCALES: tuple[Scale, ...] = get_args(Scale)
EFFECTS: tuple[Effect, ...] = get_args(Effect)
KINDS: tuple[MetricKind, ...] = get_args(MetricKind)
FOLDS: tuple[Fold, ...] = get_args(Fold)
ROLES: tuple[Role, ...] = get_args(Role)

_Named = TypeVar("_Named", bound=Tunable | Action | Metric | Axis)
_Descriptor = TypeVar("_Descriptor", Tunable, Action, Metric, EventKind)


def by_name(items: Sequence[_Named]) -> Mapping[str, _Named]:
    """Descriptors by name, in the block's order; DamagedBlock if two have the same name."""
    names = [item.name for item in items]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise DamagedBlock(f"the control block is damaged: '{double}' stands in it twice")
    return MappingProxyType(dict(zip(names, items, strict=True)))


def read_settable(reader: Reader) -> list[Tunable | Action]:
    """Read tunables and actions, in the order of their values; DamagedBlock if choices do not fit a range."""
    return [_make_settable(record) for record in reader.describe("tunable")]


def read_constraints(reader: Reader, settable: Sequence[Tunable | Action]) -> tuple[Constraint, ...]:
    """Read the constraints between tunables."""
    return tuple(
        Constraint(settable[one["lower"]].name, settable[one["upper"]].name, bool(one["strict"]))
        for one in reader.describe("constraint")
    )


def read_axes(reader: Reader) -> list[Axis]:
    """Read the axes with their labels and groups."""
    items, axes = reader.describe("axis_item"), []
    for record in reader.describe("axis"):
        own = items[record["first_item"] : record["first_item"] + record["item_count"]]
        labels, groups = (tuple(item[field] for item in own) for field in ("label", "group"))
        axes.append(Axis(record["name"], record["maximum"], labels, groups))
    return axes


def read_event_kinds(reader: Reader, axes: Sequence[Axis]) -> tuple[EventKind, ...]:
    """Read the kinds of events."""
    return tuple(
        _make(
            EventKind,
            record,
            is_capacity=bool(record["is_capacity"]),
            axis=axes[record["axis"]].name if record["axis"] < len(axes) else None,
        )
        for record in reader.describe("event_kind")
    )


def read_metrics(reader: Reader, axes: Sequence[Axis]) -> list[Metric]:
    """Read the metrics; DamagedBlock if one has the same axis twice, or is derived from itself."""
    records = reader.describe("metric")
    metrics: list[Metric] = []
    for record in records:
        kind = KINDS[record["kind"]]
        is_derived = kind in ("quotient", "difference")
        axis_names = tuple(axes[axis].name for axis in record["axis"] if axis < len(axes))
        if len(set(axis_names)) != len(axis_names):
            raise DamagedBlock(f"the control block is damaged: {record['name']} has the same axis twice")
        operands = (records[record[operand]]["name"] for operand in ("operand_a", "operand_b") if is_derived)
        metrics.append(
            _make(
                Metric,
                record,
                kind=kind,
                fold=FOLDS[record["fold"]],
                role=ROLES[record["role"]],
                is_step=bool(record["is_step"]),
                axes=() if is_derived else axis_names,
                operands=tuple(operands),
            )
        )
    _check_operands({metric.name: metric for metric in metrics})
    return metrics


def _make(descriptor: type[_Descriptor], record: Mapping[str, Any], /, **changed: Any) -> _Descriptor:
    """A descriptor of the fields that it has in common with a record; those that are changed are named."""
    fields = {name: value for name, value in record.items() if name in descriptor.__dataclass_fields__}
    return descriptor(**fields | changed)


def _make_settable(record: Mapping[str, Any]) -> Tunable | Action:
    if record["type"] == TUNABLE_ACTION:
        return _make(Action, record)
    type_ = TYPES[record["type"]]
    choices = tuple(record["choices"].split(",")) if type_ == "choice" else ()
    if type_ == "choice" and (
        record["minimum"] != 0 or record["maximum"] != len(choices) - 1 or len(set(choices)) != len(choices)
    ):
        raise DamagedBlock(
            f"the control block is damaged: the choices of {record['name']} do not fit its range"
        )
    without_default = _make(
        Tunable,
        record,
        type=type_,
        choices=choices,
        scale=SCALES[record["scale"]],
        effect=EFFECTS[record["effect"]],
        is_write_only=bool(record["flags"] & TUNABLE_WRITE_ONLY),
    )
    return replace(without_default, default=without_default.from_word(record["default_value"]))


def _check_operands(metrics: Mapping[str, Metric]) -> None:
    """A derived metric may rest on derived ones, but not in a circle."""
    known = {name for name, metric in metrics.items() if not metric.is_derived}
    waiting = {name: metric for name, metric in metrics.items() if metric.is_derived}
    while ready := [name for name, metric in waiting.items() if known.issuperset(metric.operands)]:
        known.update(ready)
        for name in ready:
            del waiting[name]
    if waiting:
        raise DamagedBlock(f"the control block is damaged: {next(iter(waiting))} is derived from itself")
