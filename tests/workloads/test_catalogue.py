"""The catalogue tells what the drivers are, and refuses what they cannot run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.errors import BadParameter, UnknownWorkload
from workbench.workloads import MAXIMUM_THREADS, REPLAY, Parameter, Workload, get_workload, known_workloads

WORKLOADS = list(known_workloads().values())
PARAMETERS = [
    pytest.param(workload, parameter, id=f"{workload.name}-{parameter.name}")
    for workload in WORKLOADS
    for parameter in workload.parameters
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_a_workload_describes_itself(workload: Workload) -> None:
    assert workload.help.endswith(".")
    assert workload.stresses.endswith(".")
    assert workload.operation
    assert 1 <= workload.default_threads <= MAXIMUM_THREADS
    assert workload.complete_parameters({}) == {
        parameter.name: parameter.default for parameter in workload.parameters
    }


@pytest.mark.parametrize(("workload", "parameter"), PARAMETERS)
def test_a_parameter_describes_itself(workload: Workload, parameter: Parameter) -> None:
    assert parameter.minimum <= parameter.default <= parameter.maximum
    assert parameter.unit
    assert parameter.help.endswith(".")


@pytest.mark.parametrize(("workload", "parameter"), PARAMETERS)
@pytest.mark.parametrize("beyond", [-1, 1])
def test_values_out_of_range_are_refused(workload: Workload, parameter: Parameter, beyond: int) -> None:
    value = parameter.maximum + 1 if beyond > 0 else parameter.minimum - 1
    with pytest.raises(BadParameter) as refusal:
        workload.complete_parameters({parameter.name: value})
    text = str(refusal.value)
    assert parameter.name in text
    assert f"{value:.0f}" in text
    assert f"{parameter.minimum:.0f} to {parameter.maximum:.0f} {parameter.unit}" in text


@pytest.mark.parametrize("name", ["remote", "producer_consumer"])
def test_what_an_odd_thread_does_is_said(name: str) -> None:
    assert "an odd last thread does both" in get_workload(name).help


def test_values_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(BadParameter, match="larson: min_size must not be above max_size"):
        get_workload("larson").complete_parameters({"min_size": 100, "max_size": 99})


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf")])
def test_what_is_no_whole_number_is_refused(value: float) -> None:
    with pytest.raises(BadParameter, match="blocks"):
        get_workload("larson").complete_parameters({"blocks": value})


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownWorkload, match="did you mean 'larson'"):
        get_workload("larsen")
    with pytest.raises(BadParameter, match="did you mean 'blocks'"):
        get_workload("larson").complete_parameters({"block": 3})


def test_given_values_are_kept() -> None:
    parameters = get_workload("larson").complete_parameters({"rounds": 3, "blocks": 10})
    assert parameters == {"min_size": 8, "max_size": 1000, "blocks": 10, "rounds": 3, "sized_free": 0}


def test_the_documentation_has_every_workload(repository: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (repository / "docs" / "workloads.md").read_text(), re.MULTILINE)
    assert rows == [*known_workloads(), REPLAY]
