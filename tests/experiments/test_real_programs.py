"""Settings are chosen on one program and judged on another: what is chosen, and what may be shipped."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from notebooks import real_programs
from notebooks.real_programs import Answer, Question, draw_answer, list_questions, list_works, try_question
from tests.experiments.results_fixture import make_result
from workbench.allocators import get_allocator
from workbench.experiments import Result, Run, Work, run_comparison

QUESTION = Question(
    "Is it smaller?",
    "glibc",
    "mean resident",
    "here",
    "there",
    {"small": {"M_TOP_PAD": 1}, "smaller, slow": {"M_TOP_PAD": 2}, "larger": {"M_TOP_PAD": 3}},
)
WORKS = {name: Work(name, Run(name, command=("true",))) for name in ("here", "there")}
# Memory and processor time of each, as ratios.
HERE = {1: (0.8, 1.02), 2: (0.5, 1.4), 3: (1.3, 0.9)}


def answer_with(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    here: Mapping[int, tuple[float, float]] = HERE,
    there: Mapping[int, tuple[float, float]] = HERE,
) -> Answer:
    def measure(run: Run, *, warm_bytes: int | None = None) -> Result:
        ratios = {"here": here, "there": there}[run.workload]
        memory, time = ratios.get(int(run.tunables.get("M_TOP_PAD", 0)), (1.0, 1.0))
        wobble = 1 + run.round % 3 * 1e-4
        return make_result(run, mean_resident_bytes=2e6 * memory * wobble, processor_s=time * wobble)

    monkeypatch.setattr(real_programs, "run_comparison", partial(run_comparison, measure=measure))
    return try_question(QUESTION, WORKS, 8, str(folder), 1.1)


def test_the_smallest_that_is_fast_enough_is_chosen_and_judged_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = answer_with(monkeypatch, tmp_path, there={1: (0.7, 1.0)})
    assert [one.name for one in answer.candidates.plan.variants] == [
        "as it is",
        *QUESTION.candidates,
        "hakmem",
    ]
    assert [one.name for one in answer.judged.plan.variants] == ["as it is", "small", "hakmem"]
    assert answer.is_confirmed
    assert answer.describe().startswith("Chosen: small. On there: mean resident 0.700 (0.")
    row = answer.summarize()
    assert (row["chosen"], row["verdict"], row["judged on"]) == ("small", "better", "there")
    frame = answer.to_frame()
    assert len(frame) == 2 * 4 + 2 * 2  # two measures of each variant but the baseline
    figure = draw_answer(answer)
    assert [len(trace.x) for trace in figure.data] == [4, 4, 2, 2]
    assert figure.data[0].x[figure.data[0].y.index("smaller, slow")] == pytest.approx(0.5, rel=1e-3)


def test_what_helps_on_one_program_alone_is_not_shipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = answer_with(monkeypatch, tmp_path, there={1: (1.2, 1.0)})
    assert answer.chosen == "small"
    assert not answer.is_confirmed
    assert ", worse; processor time" in answer.describe()


def test_if_nothing_helps_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = answer_with(monkeypatch, tmp_path, here={2: (0.5, 1.4)})
    assert answer.chosen is None
    assert not answer.is_confirmed
    assert answer.describe() == "No candidate is better on here: keep the defaults."
    assert answer.summarize()["chosen"] == "nothing"
    assert [len(trace.x) for trace in draw_answer(answer).data] == [4, 4, 1, 1]


def test_every_candidate_can_be_started_and_every_work_is_there(tmp_path: Path) -> None:
    works = list_works(str(tmp_path), 0.02)
    for question in list_questions().values():
        assert question.chosen_on != question.judged_on
        assert {question.chosen_on, question.judged_on} <= set(works)
        for values in question.candidates.values():
            get_allocator(question.allocator).environment_of(values)
    for work in works.values():
        work.run.check()


def test_the_history_that_git_packs_is_always_the_same(tmp_path: Path) -> None:
    heads = set()
    for name in ("one", "two"):
        list_works(str(tmp_path / name), 0.02)
        command = ["git", "-C", str(tmp_path / name / "history"), "rev-parse", "main"]
        heads.add(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert len(heads) == 1
