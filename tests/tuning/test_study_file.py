"""Study files: what is right is understood, and every wrong entry is one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tuning.fakes import STUDY, make_plan, write_study
from workbench.errors import WorkbenchError
from workbench.tuning import read_study

HEAD, SEARCH = STUDY.split("[search]")
SHORT = 'search = ["tls.grow_percent"]'


def test_a_file_is_a_plan(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert plan.name == "study"
    assert [(work.name, work.run.operations) for work in plan.works] == [("random_mixed", 1000)]
    assert plan.space.names == ("tls.grow_percent", "tls.max_slots")
    assert (plan.objectives, plan.seeds, plan.rounds, plan.trials) == (("throughput",), (1, 2, 3), 8, 12)
    held_out = plan.compare_held_out({"trial 3": {"tls.grow_percent": 60}})
    assert [(work.name, work.run.seed, work.run.operations) for work in held_out.works] == [
        ("random_mixed", 100, 1000),
        ("larson", 100, 1000),
    ]
    assert [variant.name for variant in held_out.variants] == ["defaults", "trial 3"]
    assert held_out.rounds == 12


def test_the_shortest_file(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 'workloads = ["larson"]\nsearch = ["tls.grow_percent"]\n')
    assert [(work.name, work.run.seconds) for work in plan.works] == [("larson", 1.0)]
    assert plan.held_out.seed > max(plan.seeds)
    assert [work.name for work in plan.compare_held_out({"x": {}}).works] == ["larson"]


def test_names_without_quotes_and_works_of_their_own(tmp_path: Path) -> None:
    plan = make_plan(
        tmp_path,
        """
        objectives = ["throughput", "peak_memory"]
        [[works]]
        workload = "larson"
        name = "few threads"
        threads = 2
        operations = 10
        [search]
        tls.grow_percent = { from = 60 }
        tls.max_slots = { to = 1024, scale = "linear" }
        [held_out]
        workloads = ["phases"]
        seconds = 0.5
        """,
    )
    assert plan.works[0].run.threads == 2
    assert plan.objectives == ("throughput", "peak_memory")
    assert [each.describe() for each in plan.space.dimensions] == ["60 % to 99 %", "1 slots to 1024 slots"]
    assert plan.held_out.works[0].run.seconds == 0.5


WRONG = [
    # Every entry with a wrong value.
    (HEAD.replace('"random_mixed"', '"random_mixd"'), "did you mean 'random_mixed'"),
    (HEAD.replace('["random_mixed"]', '"random_mixed"'), "workloads: 'random_mixed' is not a list"),
    (HEAD.replace('["random_mixed"]', "[1]"), "workloads[0]: 1 is not a text"),
    (HEAD.replace('["random_mixed"]', '["larson", "larson"]'), "work 'larson' stands twice"),
    (HEAD.replace('workloads = ["random_mixed"]', ""), "names no workload"),
    (HEAD + 'datasets = ["no such one"]\n', "unknown dataset"),
    (HEAD + 'datasets = ["no/such.haktrace"]\n', "no such file"),
    (HEAD + "datasets = 3\n", "datasets: 3 is not a list"),
    (HEAD + "works = [3]\n", "works[0]: 3 is not a table"),
    (HEAD + '[[works]]\nworkload = "larson"\nallocator = "glibc"\n', "unknown field of a work 'allocator'"),
    (HEAD + '[[works]]\nworkload = "larson"\ntunables = { "tls.max_slots" = 64 }\n', "leave out tunables"),
    (HEAD.replace("operations = 1000", "operations = 0"), "operations: 0"),
    (HEAD.replace("operations = 1000", "operations = 1.5"), "operations: 1.5 is not a whole number"),
    (HEAD.replace("operations = 1000", "seconds = -1.0"), "seconds: -1"),
    (HEAD.replace("operations = 1000", "seconds = nan"), "seconds: nan"),
    (HEAD.replace("operations = 1000", 'seconds = "1"'), "seconds: '1' is not a number"),
    (HEAD + "seconds = 1.0\n", "by seconds or by operations"),
    (HEAD + "threads = 0\n", "threads: 0"),
    (HEAD + "threads = true\n", "threads: True is not a whole number"),
    (HEAD.replace("[1, 2, 3]", "[]"), "seeds: there are none"),
    (HEAD.replace("[1, 2, 3]", "[-1]"), "seeds: -1 is not within"),
    (HEAD.replace("[1, 2, 3]", "[1, 1]"), "seeds: one stands twice"),
    (HEAD.replace("[1, 2, 3]", "[1.5]"), "seeds[0]: 1.5 is not a whole number"),
    (HEAD.replace("[1, 2, 3]", "1"), "seeds: 1 is not a list"),
    (HEAD.replace("[1, 2, 3]", "[105]"), "held_out: seed 105 is one of the study's; begin"),
    (HEAD.replace("trials = 12", "trials = 0"), "trials: 0 is not within 1 to"),
    (HEAD.replace("trials = 12", "trials = 1000000"), "trials: 1000000 is not within 1 to"),
    (HEAD.replace("trials = 12", 'trials = "x"'), "trials: 'x' is not a whole number"),
    (HEAD.replace("rounds = 8", "rounds = 5"), "rounds: 5 is not within 6 to 10000 (fewer tell nothing)"),
    (HEAD.replace("rounds = 8", "rounds = true"), "rounds: True is not a whole number"),
    (HEAD + "sampler_seed = -1\n", "sampler_seed: -1"),
    (HEAD + "sampler_seed = 1.0\n", "sampler_seed: 1.0 is not a whole number"),
    (HEAD + 'objectives = ["speed"]\n', "unknown objective 'speed'"),
    (HEAD + "objectives = []\n", "objectives: there are none"),
    (HEAD + 'objectives = ["throughput", "throughput"]\n', "objectives: one stands twice"),
    (HEAD + 'objectives = "throughput"\n', "objectives: 'throughput' is not a list"),
    (HEAD + "storage = 1\n", "storage: 1 is not a text"),
    (HEAD + "name = 1\n", "name: 1 is not a text"),
    (HEAD + 'name = " "\n', "name: it is empty"),
    (HEAD + "trails = 3\n", "unknown field of the plan 'trails': did you mean 'trials'"),
    (HEAD + "seed = 3\n", "unknown field of the plan 'seed': did you mean 'seeds'"),
]
WRONG_SEARCH = [
    ("", "search: it names no tunable"),
    ('"tls.grow_percnt" = {}', "did you mean 'tls.grow_percent'"),
    ('"tls.grow_percent" = 60', "60 is no range; give {} or a list"),
    ('"tls.grow_percent" = { form = 60 }', "unknown field of tls.grow_percent 'form': did you mean 'from'"),
    ('"tls.grow_percent" = { from = "a" }', "tls.grow_percent.from: 'a' is not a number"),
    ('"tls.grow_percent" = { from = true }', "tls.grow_percent.from: True is not a number"),
    ('"tls.grow_percent" = { from = nan }', "tls.grow_percent"),
    ('"tls.grow_percent" = { from = 1e300 }', "is out of range: 50 to 99 %"),
    ('"tls.grow_percent" = { to = 100 }', "tls.grow_percent = 100 is out of range: 50 to 99 %"),
    ('"tls.grow_percent" = { scale = "cubic" }', "scale 'cubic' is neither linear nor log"),
    ('"tls.grow_percent" = { scale = 3 }', "tls.grow_percent.scale: 3 is not a text"),
    ('"tls.grow_percent" = []', "there are no values"),
    ('"tls.grow_percent" = [[60]]', "[60] is not a value"),
    ('"route.profile" = ["cold"]', "cold is none of"),
    ('"tls.max_slots" = { to = 32 }', "no values of these ranges keep tls.initial_slots <= tls.max_slots"),
]
WRONG_HELD_OUT = [
    ("seed = -1", "held_out: seed: -1"),
    ('seed = "x"', "held_out.seed: 'x' is not a whole number"),
    ("rounds = 0", "held_out: rounds: 0"),
    ("rounds = 1.5", "held_out.rounds: 1.5 is not a whole number"),
    ('workloads = ["larsen"]', "did you mean 'larson'"),
    ("workloads = 1", "held_out.workloads: 1 is not a list"),
    ("seconds = 1.0", "[held_out] seconds: no work is named beside it"),
    ("works = [{}]", "a work needs a workload"),
    ('datasets = ["no such one"]', "unknown dataset"),
    ("trials = 3", "unknown field of held_out 'trials'"),
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((text + "[search]" + SEARCH, said) for text, said in WRONG),
        *((HEAD + "[search]\n" + search, said) for search, said in WRONG_SEARCH),
        *((HEAD + f"{SHORT}\n[held_out]\n{rest}", said) for rest, said in WRONG_HELD_OUT),
        (HEAD, "search: it is missing"),
        (HEAD + 'search = "tls.grow_percent"\n', "search: 'tls.grow_percent' is not a table or a list"),
        (HEAD + "search = [1]\n", "search[0]: 1 is not a text"),
        (HEAD + 'search = ["tls.grow_percent", "tls.grow_percent"]\n', "stands twice"),
        (HEAD + "held_out = 3\nsearch = ['tls.grow_percent']\n", "held_out: 3 is not a table"),
        ("", "names no workload"),
        ("= 1", "it is no TOML file"),
        ("a = " + "[" * 10_000, "it is no TOML file"),
        ("trials = " + "9" * 5000, "it is no TOML file"),
        ("x" * (1 << 20) + "y", "a plan has at most"),
        (HEAD.replace("trials = 12", "trials = " + "9" * 60) + "[search]" + SEARCH, "trials: a number of"),
        (HEAD + f'name = ["{"x" * 5000}"]\n[search]' + SEARCH, "is not a text"),
    ],
)  # fmt: skip
def test_wrong_files_are_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    path = write_study(tmp_path, text)
    with pytest.raises(WorkbenchError) as caught:
        read_study(path)
    told = " ".join(str(caught.value).split())
    assert said in told
    assert len(told) < 600


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    for content, said in ((None, "cannot be read"), (b"\xff\xfe", "no TOML file"), (b"a\0b = 1", "no TOML")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(WorkbenchError, match=said):
            read_study(path)


@given(st.sampled_from(sorted(set(re.findall(r"^\w+", HEAD, re.M)))), st.text(max_size=30))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_in_an_entry_is_understood_or_refused(tmp_path: Path, name: str, value: str) -> None:
    text = re.sub(rf"^{name} = .*$", lambda _: f"{name} = {value}", HEAD, flags=re.M) + "[search]" + SEARCH
    path = tmp_path / "study.toml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        read_study(path).check()
    except WorkbenchError as error:
        assert str(error)
