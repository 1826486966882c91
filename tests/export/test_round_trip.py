"""What is written is what is read, in every format, wherever the file's name points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.allocators import Allocator, get_allocator
from workbench.control import Value
from workbench.export import FORMATS, describe_provenance, read_defaults, write_defaults

every_format = pytest.mark.parametrize("form", FORMATS)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@every_format
@pytest.mark.parametrize("named_by_format", [True, False])
def test_reads_what_it_wrote(
    tmp_path: Path,
    form: str,
    named_by_format: bool,
    allocator: Allocator,
    values: Mapping[str, Value],
    provenance: Mapping[str, str],
) -> None:
    path = tmp_path / ("tuned" + (FORMATS[form].suffix if named_by_format else ".txt"))
    write_defaults(path, form, values, provenance, allocator=allocator)
    read = read_defaults(path, allocator=allocator)
    assert read.values == values
    assert {name: type(value) for name, value in read.values.items()} == {
        name: type(value) for name, value in values.items()
    }
    assert read.provenance == provenance


@every_format
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    number=st.integers(0, 2**40),
    load=st.floats(0, 4),
    colour=st.sampled_from(["blue", "green", "brown"]),
    fact=any_text,
)
def test_reads_any_value_and_any_fact(
    tmp_path: Path,
    form: str,
    allocator: Allocator,
    number: int,
    load: float,
    colour: str,
    fact: str,
) -> None:
    values: dict[str, Value] = {"pond.bytes": number, "pond.load": load, "pond.colour": colour}
    path = tmp_path / "tuned"
    write_defaults(path, form, values, {"process": fact}, allocator=allocator)
    read = read_defaults(path, allocator=allocator)
    assert read.values == values
    assert read.provenance.get("process", "") == fact.strip()


@every_format
def test_own_allocator_in_full(tmp_path: Path, form: str) -> None:
    allocator = get_allocator("hakmem")
    values = allocator.defaults
    path = tmp_path / f"tuned{FORMATS[form].suffix}"
    write_defaults(path, form, values, describe_provenance(values, allocator))
    assert read_defaults(path).values == values


@every_format
def test_some_values_only(tmp_path: Path, form: str, allocator: Allocator) -> None:
    path = tmp_path / "tuned"
    write_defaults(path, form, {"pond.load": 1.5}, {}, allocator=allocator)
    read = read_defaults(path, allocator=allocator)
    assert read.values == {"pond.load": 1.5}
    assert read.provenance == {}


def test_provenance_says_what_was_changed(allocator: Allocator, values: Mapping[str, Value]) -> None:
    facts = describe_provenance(
        values,
        allocator,
        workload="larson",
        parameters={"blocks": 1024.0},
        threads=2,
        seed=0,
        process="12, redis-server",
    )
    assert facts["workload"] == "larson"
    assert facts["parameters"] == "blocks=1024"
    assert (facts["threads"], facts["seed"]) == ("2", "0")
    assert facts["allocator build"] == "9.9 gcc"
    assert "pond.depth_percent -1 (default 80)" in facts["changed"]
    assert {"machine", "kernel", "cpu", "workbench", "python", "date"} <= facts.keys()
    assert describe_provenance(allocator.defaults, allocator)["changed"] == "nothing"
