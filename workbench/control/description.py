"""What a control block says of itself: its descriptors, read once and checked as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from workbench.control.event import EventKind
from workbench.control.metric import Axis, Fold, Metric, MetricKind, Role
from workbench.control.native import decode_text, lib
from workbench.control.reader import Reader
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
    settable = [_make_settable(record) for record in _records(reader, lib.hak_reader_tunable, "hak_tunable")]
    places = {item.name: place for place, item in enumerate(settable)}
    axes = _read_axes(reader)
    metrics = _read_metrics(reader, axes)
    constraints = tuple(
        Constraint(settable[record.lower].name, settable[record.upper].name, bool(record.strict))
        for record in _records(reader, lib.hak_reader_constraint, "hak_constraint")
    )
    kinds = tuple(
        EventKind(
            name=decode_text(record.name),
            help=decode_text(record.help),
            unit=decode_text(record.unit),
            is_capacity=bool(record.is_capacity),
            axis=axes[record.axis].name if record.axis < len(axes) else None,
        )
        for record in _records(reader, lib.hak_reader_event_kind, "hak_event_kind")
    )
    causes = tuple(
        decode_text(record.name) for record in _records(reader, lib.hak_reader_event_cause, "hak_event_cause")
    )
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


def _records(reader: Reader, function: Callable[..., int], structure: str) -> Iterator[Any]:
    index = 0
    while (record := reader.read_record(function, structure, index)) is not None:
        yield record
        index += 1


def _by_name(items: Sequence[_Named]) -> Mapping[str, _Named]:
    named = {item.name: item for item in items}
    if len(named) != len(items):
        names = [item.name for item in items]
        double = next(name for name in names if names.count(name) > 1)
        raise DamagedBlock(f"the control block is damaged: '{double}' stands in it twice")
    return MappingProxyType(named)


def _make_settable(record: Any) -> Tunable | Action:
    name = decode_text(record.name)
    if record.type == lib.HAK_TYPE_ACTION:
        return Action(name, decode_text(record.group), decode_text(record.help))
    type_ = TYPES[record.type]
    choices = tuple(decode_text(record.choices).split(",")) if type_ == "choice" else ()
    if type_ == "choice" and (
        record.minimum != 0 or record.maximum != len(choices) - 1 or len(set(choices)) != len(choices)
    ):
        raise DamagedBlock(f"the control block is damaged: the choices of {name} do not fit its range")
    without_default = Tunable(
        name=name,
        group=decode_text(record.group),
        unit=decode_text(record.unit),
        help=decode_text(record.help),
        type=type_,
        choices=choices,
        scale=SCALES[record.scale],
        effect=EFFECTS[record.effect],
        minimum=float(record.minimum),
        maximum=float(record.maximum),
        environment=decode_text(record.environment),
        is_write_only=bool(record.flags & lib.HAK_TUNABLE_WRITE_ONLY),
    )
    fields = vars(without_default) | {"default": without_default.from_word(float(record.default_value))}
    return Tunable(**fields)


def _read_axes(reader: Reader) -> list[Axis]:
    axes: list[Axis] = []
    for record in _records(reader, lib.hak_reader_axis, "hak_axis"):
        items = [
            reader.read_record(lib.hak_reader_axis_item, "hak_axis_item", record.first_item + number)
            for number in range(record.item_count)
        ]
        labels = tuple(decode_text(item.label) for item in items)
        groups = tuple(decode_text(item.group) for item in items)
        axes.append(Axis(decode_text(record.name), int(record.maximum), labels, groups))
    return axes


def _read_metrics(reader: Reader, axes: Sequence[Axis]) -> list[Metric]:
    records = list(_records(reader, lib.hak_reader_metric, "hak_metric"))
    names = [decode_text(record.name) for record in records]
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
                group=decode_text(record.group),
                unit=decode_text(record.unit),
                help=decode_text(record.help),
                chart=decode_text(record.chart),
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
