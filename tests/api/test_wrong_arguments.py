"""Arguments of a wrong type: one line that names the parameter, the value and what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import workbench as wb
from tests.experiments.live_programs import run_busy
from workbench.api.arguments import checks_arguments
from workbench.errors import BadParameter, WorkbenchError

W: Any = wb  # as a notebook sees it: without types
PAIR = ["glibc", "hakmem"]

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: W.attach(None), "target: None is neither a pid nor a group such as 'command:postgres'"),
    (lambda: W.attach(1.5), "target: 1.5 is neither a pid nor a group such as 'command:postgres'"),
    (lambda: W.attach(True), "target: True is neither a pid nor a group such as 'command:postgres'"),
    (lambda: W.attach("redis"), "target: 'redis' is neither a pid nor a group such as 'command:redis'"),
    (lambda: W.read_memory(None), "target: None is neither a pid nor a group such as 'command:postgres'"),
    (lambda: W.run("larson", tunables=5), "tunables: 5 is not a mapping such as {'NAME': VALUE} or None"),
    (lambda: W.run("larson", seconds="x"), "seconds: 'x' is not a number or None"),
    (lambda: W.run("larson", threads="a"), "threads: 'a' is not a whole number or None"),
    (lambda: W.run("larson", seed=None), "seed: None is not a whole number"),
    (lambda: W.run(None), "work: None is not a text"),
    (lambda: W.compare(PAIR, ["pair"], rounds="x"), "rounds: 'x' is not a whole number"),
    (lambda: W.compare([1, 2]), "variants[0]: 1 is not a text or a Variant"),
    (lambda: W.compare(PAIR, {"pair": 1}), "works: {'pair': 1} is not a list"),
    (lambda: W.open_trace(None), "trace: None is not a text or a path"),
    (lambda: W.experiment(1, {}, probes=5), "probes: 5 is not a list"),
    (lambda: W.tune_live(1, 5, probes=["x"]), "search: 5 is not a list or a mapping such as"),
    (lambda: W.list_sessions(5), "folder: 5 is not a text or a path or None"),
]


@pytest.mark.parametrize(("call", "words"), WRONG)
def test_a_wrong_type_is_told_in_a_line(call: Callable[[], object], words: str) -> None:
    with pytest.raises(BadParameter, match=f"^{re.escape(words)}") as refused:
        call()
    assert len(str(refused.value).splitlines()) == 1


def test_a_text_where_a_list_belongs_is_a_list_of_one() -> None:
    with pytest.raises(WorkbenchError, match="a comparison needs two variants"):
        wb.compare("glibc", works="phases")
    with pytest.raises(WorkbenchError, match=r"unknown workload 'phasess': did you mean 'phases'\?"):
        wb.compare(PAIR, works="phasess")


def test_what_is_right_is_handed_on() -> None:
    np = pytest.importorskip("numpy")

    @checks_arguments
    def show(a: int, *, b: float | None = None, c: list[int] | None = None, d: object = 3) -> object:
        return a, b, c, d

    assert show(np.int64(3), b=2) == (3, 2, None, 3)
    assert show.__name__ == "show"


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    with run_busy() as process:
        yield process.pid


@pytest.mark.parametrize("kind", [lambda pid: pid, lambda pid: f"parent:{pid}"])
def test_a_block_refuses_wrong_types_and_says_that_it_is_closed(
    pid: int, kind: Callable[[int], int | str]
) -> None:
    with wb.attach(kind(pid)) as block:
        any_block: Any = block
        wrong: list[tuple[Callable[[], object], str]] = [
            (lambda: any_block.set([1]), "values: [1] is not a mapping such as {'NAME': VALUE}"),
            (lambda: any_block.set({5: 1}), "unknown tunable '5'"),
            (lambda: any_block.whatif(seconds=math.nan), "seconds: nan is out of range; give a number"),
            (lambda: any_block.whatif(seconds=-1), "seconds: -1 is out of range"),
            (lambda: any_block.whatif(seconds="x"), "seconds: 'x' is out of range"),
        ]
        for call, words in wrong:
            with pytest.raises(WorkbenchError, match=f"^{re.escape(words)}"):
                call()
        assert "closed" not in repr(block)
        assert "<table>" in block._repr_html_()
    assert repr(block).endswith(", closed>")
    assert "closed" in block._repr_html_()
