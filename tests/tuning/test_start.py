"""Studies that start from what-if curves: what is left out, what is tried first, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from tests.cli.terminal import assert_refused
from tests.datasets.made_up import make_events, write_trace
from tests.tuning.fakes import STUDY, FakeMeasurer, make_plan, same, write_study
from workbench.cli import cli
from workbench.curves import WhatIf
from workbench.errors import BadParameter
from workbench.tuning import Study, start_from


def make_curves(exchanges: dict[int, float], allocator: str = "hakmem") -> WhatIf:
    rows = [
        (allocator, 64, slots, count, slots / 16, slots == 64, True, 0.0)
        for slots, count in exchanges.items()
    ]
    names = ["allocator", "block_bytes", "slots", "exchanges", "held_kib", "is_today", "is_foretold"]
    names += ["standard_error"]
    return WhatIf(pd.DataFrame(rows, columns=names), 1.0)


BENT = make_curves({16: 1000, 64: 900, 128: 700, 256: 100, 512: 5, 1024: 2, 2048: 1, 4096: 0})


def test_only_where_the_curve_bends(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, STUDY)
    start = start_from(plan, BENT)
    (slots,) = (one for one in start.plan.space.dimensions if one.tunable.name == "tls.max_slots")
    assert (slots.low, slots.high) == (128, 512)
    assert start.first == {"tls.max_slots": 256}
    assert start.plan.trials == 4  # two of six doublings are left, of twelve trials
    assert (start.trials_saved, start.runs_saved) == (8, 8 * 2 * 8)
    assert "below 128, less than 50 %" in start.left_out
    assert "above 512, less than 1 % more" in start.left_out
    study = Study.open(start.plan, tmp_path / "study.toml", measure=FakeMeasurer(same))
    study.inject(start.first)
    study.run()
    tried = [int(one.settings["tls.max_slots"]) for one in study.list_candidates()]
    assert len(tried) == 4
    assert tried[0] == 256
    assert all(128 <= value <= 512 for value in tried)


@pytest.mark.parametrize(
    ("text", "told", "why"),
    [
        (STUDY.replace('"tls.max_slots" = { from = 64, to = 4096 }', ""), BENT, "no range of tls.max_slots"),
        (STUDY.replace("{ from = 64, to = 4096 }", "[64, 128]"), BENT, "no range of tls.max_slots"),
        (STUDY, make_curves({16: 0, 64: 0, 128: 0}), "tell nothing about tls.max_slots"),
        (STUDY, make_curves({16: 9, 64: 1}, "glibc"), "tell nothing about tls.max_slots"),
    ],
)
def test_curves_that_tell_nothing(tmp_path: Path, text: str, told: WhatIf, why: str) -> None:
    with pytest.raises(BadParameter, match=why):
        start_from(make_plan(tmp_path, text), told)


def test_as_a_user_types_it(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY)
    trace = write_trace(tmp_path / "made-up.haktrace", make_events(seed=1, count=4000))
    words = ["tune", str(path), "--check", "--start-from-whatif"]
    run = CliRunner().invoke(cli, [*words, str(trace)])
    assert (run.exit_code, run.stderr) == (0, "")
    assert "from what-if curves: tls.max_slots is searched from " in run.stdout
    told = json.loads(CliRunner().invoke(cli, [*words, str(trace), "--json"]).stdout)
    assert told["whatif"]["trials_saved"] == 12 - told["trials"] > 0
    assert_refused(CliRunner().invoke(cli, [*words, "none.haktrace"]), "none.haktrace: no such file")
