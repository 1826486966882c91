"""Results show themselves: one line in a terminal, a table and a chart in a notebook."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import workbench as wb
from workbench.display import Displayed, Listing, render_html
from workbench.table import Table


class Notebook:
    """IPython as a notebook has it: what is shown is kept."""

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.display = SimpleNamespace(display=lambda value, **_: self.shown.append(value))

    def get_ipython(self) -> object:
        return SimpleNamespace(kernel=object())


@pytest.fixture(scope="module")
def comparison() -> Any:
    return wb.compare(["glibc", "hakmem"], works=["random_mixed"], rounds=1, operations=1000)


def test_a_run_is_one_line_and_one_row() -> None:
    outcome = wb.run("random_mixed", operations=1000, seed=2)
    assert outcome.status == "completed"
    assert repr(outcome).startswith("<Outcome completed: ")
    assert "\n" not in repr(outcome)
    assert "<td" in outcome._repr_html_()


def test_a_comparison_shows_its_chart_and_its_table(comparison: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    comparison._ipython_display_()
    chart, table = notebook.shown
    assert [trace.type for trace in chart.data] == ["scatter"] * len(chart.data)
    assert "random_mixed" in table["text/html"]
    assert table["text/plain"] == repr(comparison)
    assert repr(comparison).startswith("<Comparison of hakmem with glibc, 1 of 1 rounds")


def test_outside_a_notebook_it_is_its_line(comparison: Any) -> None:
    with pytest.raises(NotImplementedError):  # IPython then takes `repr`
        comparison._ipython_display_()


def test_what_a_comparison_found_is_exported_and_read_again(tmp_path: Path) -> None:
    variants = [wb.Variant("defaults"), wb.Variant("tight", tunables={"tls.max_slots": 256})]
    found = wb.compare(variants, works=["random_mixed"], rounds=1, operations=1000)
    wb.export_settings(found, tmp_path / "tight.toml")
    assert wb.read_settings(tmp_path / "tight.toml") == {"tls.max_slots": 256}
    wb.export_settings({"tls.max_slots": 512}, tmp_path / "mine.env")
    assert wb.read_settings(tmp_path / "mine.env") == {"tls.max_slots": 512}
    verified = wb.verify(tmp_path / "tight.toml", rounds=1)
    assert repr(verified) == "<Verification of tight: cannot tell>"


def test_a_control_block_shows_its_tunables_and_a_snapshot_its_metrics() -> None:
    with wb.Program.start(["sleep", "60"]) as program:
        program.open_block().close()
        assert program.pid in [info.pid for info in wb.list_processes()]
        with wb.attach(program.pid) as block:
            block.set({"tls.max_slots": 321})
            assert "321" in block._repr_html_()
            snapshot = block.snapshot()
    assert "tls.capacity" in snapshot._repr_html_()
    assert repr(snapshot).startswith("<Snapshot of ")


@pytest.mark.parametrize("name", ["list_allocators", "list_datasets", "list_workloads"])
def test_a_list_is_a_list_and_a_table(name: str) -> None:
    listing = getattr(wb, name)()
    assert isinstance(listing, Listing)
    assert len(listing) >= 2
    for item in listing:
        assert item.name in repr(listing)
        assert item.name in listing._repr_html_()


def test_a_trace_shows_what_was_recorded() -> None:
    with wb.open_trace("xz_threads") as trace:
        assert "1,577" in trace._repr_html_()


def test_text_is_escaped_and_empty_columns_are_left_out() -> None:
    text = render_html(Table(("name", "nothing"), [("<b>", "")], caption="a & b"))
    assert "&lt;b&gt;" in text
    assert "a &amp; b" in text
    assert "nothing" not in text


def test_every_result_has_a_table() -> None:
    assert Displayed.__abstractmethods__ == {"to_table"}
