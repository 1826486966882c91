"""Workloads and their parameters, described by the C drivers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from workbench.bindings.workloads import MOST_THREADS, check_parameters, list_workloads
from workbench.errors import BadParameter, UnknownWorkload, describe_unknown

#: The most threads that a workload can run with.
MAXIMUM_THREADS = MOST_THREADS


@dataclass(frozen=True)
class Parameter:
    """One parameter of a workload; its values are whole numbers.

    Parameters
    ----------
    name, unit, help : str
        As the panel and the command line show them.
    minimum, maximum, default : float
        In `unit`; both bounds are allowed.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    help: str


@dataclass(frozen=True)
class Workload:
    """A seeded sequence of allocations and frees.

    Parameters
    ----------
    name, help : str
        What it is called, and what it does.
    stresses : str
        Which parts of an allocator it is for.
    operation : str
        What counts as one operation.
    parameters : tuple of Parameter
    default_threads : int
    """

    name: str
    help: str
    stresses: str
    operation: str
    parameters: tuple[Parameter, ...]
    default_threads: int

    def complete_parameters(self, values: Mapping[str, float]) -> dict[str, float]:
        """Check the given values and add the defaults of the others.

        Parameters
        ----------
        values : mapping of str to float
            By parameter name, in the parameter's unit.

        Returns
        -------
        dict of str to float
            A value for every parameter, in the table's order.

        Raises
        ------
        BadParameter
            For an unknown name, a value out of range or not whole, or values that do not go together.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise BadParameter(describe_unknown(f"parameter of {self.name}", name, known))
        complete = {name: float(values.get(name, known[name].default)) for name in known}
        if complaint := check_parameters(self.name, complete):
            raise BadParameter(complaint)
        return complete


#: The workload that follows a recorded trace.
REPLAY = "replay"


@cache
def _all_workloads() -> Mapping[str, Workload]:
    found = {}
    for workload, parameters in list_workloads():
        del workload["parameter_count"]
        for parameter in parameters:
            parameter["default"] = parameter.pop("default_value")
        described = tuple(Parameter(**parameter) for parameter in parameters)
        found[workload["name"]] = Workload(**workload, parameters=described)
    return found


@cache
def known_workloads() -> Mapping[str, Workload]:
    """All workloads that run by themselves, by name, in the table's order.

    `REPLAY` is not among them, since it needs a trace; `get_workload` knows it too.
    """
    return MappingProxyType({name: workload for name, workload in _all_workloads().items() if name != REPLAY})


def get_workload(name: str) -> Workload:
    """Find one workload.

    Raises
    ------
    UnknownWorkload
        With the nearest name.
    """
    known = _all_workloads()
    if name not in known:
        raise UnknownWorkload(describe_unknown("workload", name, known))
    return known[name]
