"""Tables in terminals of any width: names and numbers are whole, and what is missing is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.terminal import Program, run_in_terminal, run_workbench
from workbench.table import Table, lay_out, shorten, text_width

PROCESSES = Table(
    columns=("pid", "kind", "build", "command"),
    rows=[
        ("13572", "hakmem", "hakmem 0.1.0 GNU 12.2.0", "/usr/bin/python3 -c import time; time.sleep(1000)"),
        ("7", "workload", "hakmem 0.1.0 GNU 12.2.0", "redis-server"),
    ],
    right=("pid",),
    shortened=("command",),
    dropped=("build", "kind"),
)


def test_as_wide_as_its_content() -> None:
    layout = lay_out(PROCESSES, None)
    assert layout.lines[0] == "  pid  kind      build                    command"
    assert layout.lines[2] == "    7  workload  hakmem 0.1.0 GNU 12.2.0  redis-server"
    assert (layout.left_out, layout.is_stacked) == ((), False)


def test_the_least_important_columns_go_first() -> None:
    assert list(lay_out(PROCESSES, 100).left_out) == []
    at_50 = lay_out(PROCESSES, 50)
    assert at_50.left_out == ["build"]
    assert at_50.lines[1] == "13572  hakmem    /usr/bin/python3 -c import time;…"
    at_22 = lay_out(PROCESSES, 22)
    assert at_22.left_out == ["kind", "build"]
    assert at_22.lines == ["  pid  command", "13572  /usr/bin/pytho…", "    7  redis-server"]


def test_where_no_table_fits_each_row_is_lines() -> None:
    layout = lay_out(PROCESSES, 12)
    assert layout.is_stacked
    assert "13572" in "\n".join(layout.lines)
    assert max(text_width(line) for line in layout.lines) <= 12


def test_prose_goes_on_in_the_next_line() -> None:
    table = Table(("name", "help"), [("tls.grow_percent", "usage at which a cache grows")], wrapped=("help",))
    assert lay_out(table, 33).lines == [
        "name              help",
        "tls.grow_percent  usage at which",
        "                  a cache grows",
    ]


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("command", 7, "command"), ("command", 6, "comma…"), ("日本語", 5, "日本…")]
)
def test_what_is_cut_ends_in_an_ellipsis(text: str, width: int, shown: str) -> None:
    assert shorten(text, width) == shown


@given(
    width=st.integers(1, 130),
    cells=st.lists(
        st.tuples(*[st.text("ab1.%é日 ", min_size=1, max_size=30).map(lambda text: f"x{text}x")] * 4),
        max_size=4,
    ),
)
def test_nothing_is_lost_at_any_width(width: int, cells: list[tuple[str, ...]]) -> None:
    columns = ("name", "value", "what it is", "command")
    table = Table(columns, cells, ("value",), ("what it is",), ("command",), ("what it is", "command"))
    layout = lay_out(table, width)
    if not layout.is_stacked:
        assert all(text_width(line) <= width for line in layout.lines)
        for row in cells:
            assert any(line.startswith(row[0]) and row[1] in line for line in layout.lines)
    shown = "".join("\n".join(layout.lines).split())
    for row in cells:
        for name, cell in zip(columns, row, strict=True):
            assert name in layout.left_out or name == "command" or set(cell.split()[0]) <= set(shown)
            if name in ("name", "value"):
                assert name not in layout.left_out
                assert layout.is_stacked or cell in "\n".join(layout.lines)


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 120])
@pytest.mark.parametrize(
    ("words", "key", "name"),
    [
        (["ps"], None, "pid"),
        (["tunables"], "tunables", "name"),
        (["workloads"], None, "name"),
        (["allocators"], None, "name"),
        (["datasets"], "datasets", "name"),
    ],
    ids=["ps", "tunables", "workloads", "allocators", "datasets"],
)
def test_every_name_is_whole_in_a_terminal(
    untouched_program: Program, words: list[str], key: str | None, name: str, columns: int
) -> None:
    shown = run_in_terminal(*words, columns=columns)
    assert shown.status == 0
    lines = shown.stdout.splitlines()
    assert max(text_width(line) for line in lines) <= columns
    told = run_workbench(*words, "--json").json
    names = {str(entry[name]) for entry in (told if key is None else told[key])}
    if words == ["ps"]:
        names &= {str(untouched_program.pid)}
    assert names
    assert names <= {word for line in lines for word in line.split()}
