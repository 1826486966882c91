"""What a control block says of itself: its descriptors, read once and checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar, get_args

from workbench.bindings.reader import TUNABLE_ACTION, TUNABLE_WRITE_ONLY, Reader, TunableRecord
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

_Named = TypeVar("_Named", Tunable, Action, Metric, Axis)


@dataclass(frozen=True)
class Description:
    """All descriptors of a block.

    Attributes
    ----------
    tunables, actions, metrics, axes : mapping
        By name, in the block's order.
    places : mapping of str to int
        Which of the block's values a tunable or an action has.
    constraints : tuple of Constraint
    event_kinds : tuple of EventKind
    event_causes : tuple of str
    """

    tunables: Mapping[str, Tunable]
    actions: Mapping[str, Action]
    places: Mapping[str, int]
    constraints: tuple[Constraint, ...]
    metrics: Mapping[str, Metric]
    axes: Mapping[str, Axis]
    event_kinds: tuple[EventKind, ...]
    event_causes: tuple[str, ...]


def read_description(reader: Reader) -> Description:
    """Read all descriptors.

    Raises
    ------
    DamagedBlock
        If they do not make sense.
    """
    settable = [_make_settable(record) for record in reader.tunables()]
    places = {item.name: place for place, item in enumerate(settable)}
    axes = _read_axes(reader)
    metrics = _read_metrics(reader, axes)
    constraints = tuple(
        Constraint(settable[record.lower].name, settable[record.upper].name, bool(record.strict))
        for record in reader.constraints()
    )
    kinds = tuple(
        EventKind(
            name=record.name,
            help=record.help,
            unit=record.unit,
            is_capacity=bool(record.is_capacity),
            axis=axes[record.axis].name if record.axis < len(axes) else None,
        )
        for record in reader.event_kinds()
    )
    causes = tuple(record.name for record in reader.event_causes())
    return Description(
        tunables=_by_name([item for item in settable if isinstance(item, Tunable)]),
        actions=_by_name([item for item in settable if isinstance(item, Action)]),
        places=places,
        constraints=constraints,
        metrics=_by_name(metrics),
        axes=_by_name(axes),
        event_kinds=kinds,
        event_causes=causes,
    )


def _by_name(items: Sequence[_Named]) -> Mapping[str, _Named]:
    named = {item.name: item for item in items}
    if len(named) != len(items):
        names = [item.name for item in items]
        double = next(name for name in names if names.count(name) > 1)
        raise DamagedBlock(f"the control block is damaged: '{double}' stands in it twice")
    return MappingProxyType(named)


def _make_settable(record: TunableRecord) -> Tunable | Action:
    if record.type == TUNABLE_ACTION:
        return Action(record.name, record.group, record.help)
    type_ = TYPES[record.type]
    choices = tuple(record.choices.split(",")) if type_ == "choice" else ()
    if type_ == "choice" and (
        record.minimum != 0 or record.maximum != len(choices) - 1 or len(set(choices)) != len(choices)
    ):
        raise DamagedBlock(f"the control block is damaged: the choices of {record.name} do not fit its range")
    without_default = Tunable(
        name=record.name,
        group=record.group,
        unit=record.unit,
        help=record.help,
        type=type_,
        choices=choices,
        scale=SCALES[record.scale],
        effect=EFFECTS[record.effect],
        minimum=record.minimum,
        maximum=record.maximum,
        environment=record.environment,
        is_write_only=bool(record.flags & TUNABLE_WRITE_ONLY),
    )
    fields = vars(without_default) | {"default": without_default.from_word(record.default_value)}
    return Tunable(**fields)


def _read_axes(reader: Reader) -> list[Axis]:
    axes: list[Axis] = []
    for record in reader.axes():
        items = reader.axis_items(record)
        labels, groups = tuple(item.label for item in items), tuple(item.group for item in items)
        axes.append(Axis(record.name, record.maximum, labels, groups))
    return axes


def _read_metrics(reader: Reader, axes: Sequence[Axis]) -> list[Metric]:
    records = reader.metrics()
    names = [record.name for record in records]
    metrics: list[Metric] = []
    for name, record in zip(names, records, strict=True):
        kind = KINDS[record.kind]
        is_derived = kind in ("quotient", "difference")
        axis_names = tuple(axes[axis].name for axis in record.axis if axis < len(axes))
        if len(set(axis_names)) != len(axis_names):
            raise DamagedBlock(f"the control block is damaged: {name} has the same axis twice")
        metrics.append(
            Metric(
                name=name,
                group=record.group,
                unit=record.unit,
                help=record.help,
                chart=record.chart,
                kind=kind,
                fold=FOLDS[record.fold],
                role=ROLES[record.role],
                is_step=bool(record.is_step),
                axes=() if is_derived else axis_names,
                operands=(names[record.operand_a], names[record.operand_b]) if is_derived else (),
            )
        )
    _check_operands({metric.name: metric for metric in metrics})
    return metrics


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
