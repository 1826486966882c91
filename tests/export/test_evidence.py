"""Evidence in every format: what is written is what is read, and whatever was changed is named."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.export.evidence_fixture import (
    ROUNDS,
    SETTINGS,
    compare,
    fill_results,
    make_evidence,
    make_plan,
)
from workbench.errors import BadParameter, DamagedEvidence, WrongResults
from workbench.experiments import ALL_WORKS, ComparisonPlan, Results, conclude
from workbench.export import FORMATS, read_defaults, write_defaults
from workbench.export.evidence import Evidence
from workbench.export.evidence_files import check_figures, find_other_toml, read_evidence, write_evidence
from workbench.export.verification import find_obstacles, plan_verification

every_format = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return make_evidence(tmp_path_factory.mktemp("results"))


def write(folder: Path, evidence: Evidence, form: str) -> Path:
    path = folder / f"tuned{FORMATS[form].suffix}"
    write_evidence(path, evidence)
    return path


def expect(evidence: Evidence, form: str) -> Evidence:
    """What a file of a format holds of evidence: the claim alone, unless it is TOML."""
    return evidence if form == "toml" else evidence.shorten()


@every_format
def test_reads_what_it_wrote(tmp_path: Path, evidence: Evidence, form: str) -> None:
    path = write(tmp_path, evidence, form)
    read = read_evidence(path)
    assert read == expect(evidence, form)
    defaults = read_defaults(path)
    assert (defaults.values, defaults.provenance) == (SETTINGS, {})
    read.check_settings({**defaults.values, "tls.max_slots": 2048})  # the default changes nothing
    with pytest.raises(DamagedEvidence, match=r"tls\.max_slots = 100 is not in the evidence"):
        read.check_settings({**defaults.values, "tls.max_slots": 100})


@pytest.mark.parametrize("form", ["env", "header"])
def test_a_claim_names_the_toml_that_holds_all_of_it(tmp_path: Path, evidence: Evidence, form: str) -> None:
    path = write(tmp_path, evidence, form)
    whole = tmp_path / f"{path.name}.toml"
    claim = read_evidence(path)
    assert claim is not None
    assert (claim.toml, claim.toml_sha256) == (whole.name, hashlib.sha256(whole.read_bytes()).hexdigest())
    assert read_evidence(whole) == evidence
    assert tomllib.loads(whole.read_text())["evidence"]["claims"][0]["verdict"] == "better"
    assert find_other_toml(path, claim) == []
    whole.write_text(whole.read_text() + "# mine\n")
    assert find_other_toml(path, claim) == [f"{whole}: it has changed since {path} was made of it"]
    whole.unlink()
    assert find_other_toml(path, claim) == []
    again = tmp_path / f"again{path.suffix}"
    write_evidence(again, claim)  # nothing but the claim is known, and where the rest is
    assert again.read_text() == path.read_text()
    assert not (tmp_path / f"{again.name}.toml").exists()


@pytest.mark.parametrize("name", ["tuned.env", "tuned.h", "tuned.toml"])
def test_files_of_the_first_version_are_read(name: str) -> None:
    """Written at revision ee990f1."""
    path = Path(__file__).parent / "data" / name
    evidence = read_evidence(path)
    assert isinstance(evidence, Evidence)
    assert (evidence.version, evidence.rounds, len(evidence.claims), len(evidence.trials)) == (1, 8, 9, 4)
    defaults = read_defaults(path)
    evidence.check_settings(defaults.values)
    assert defaults.values == SETTINGS
    assert "compared" in defaults.provenance
    assert not any(name.startswith("evidence") for name in defaults.provenance)
    assert read_evidence(path) == read_evidence(path.with_name("tuned.toml"))
    assert find_obstacles(evidence) == find_other_toml(path, evidence) == []
    plan_verification(evidence).check()


def test_it_says_what_was_measured_and_where(evidence: Evidence) -> None:
    assert (evidence.variant, evidence.baseline, evidence.rounds) == ("tuned", "defaults", ROUNDS)
    assert {claim.work for claim in evidence.claims} == {"random_mixed", "phases", ALL_WORKS}
    speed = next(claim for claim in evidence.claims if claim.measure == "throughput")
    assert speed.verdict == "better"
    assert speed.low is not None
    assert speed.high is not None
    assert 1.03 < speed.low < speed.ratio < speed.high < 1.07
    assert [(series.work, series.variant) for series in evidence.trials] == [
        ("phases", "defaults"),
        ("phases", "tuned"),
        ("random_mixed", "defaults"),
        ("random_mixed", "tuned"),
    ]
    ids = [run_id for series in evidence.trials for run_id in series.ids]
    assert len(set(ids)) == 4 * ROUNDS
    planned = {cell.run.resolve().id for cell in evidence.comparison_plan.list_cells()}
    assert planned == set(ids)
    assert evidence.machine.governor == "none"
    assert evidence.machine.huge_pages == "madvise"
    assert evidence.defaults["tls.grow_percent"] == 80
    assert set(evidence.allocators) == {"hakmem"}


def test_gaps_of_failed_rounds_survive(tmp_path: Path) -> None:
    comparison, results = compare(tmp_path / "results")
    broken = next(result for result in results if result.run.tunables and result.run.workload == "phases")
    with results.writing():
        results.add(replace(broken, status="crashed", reason="SIGSEGV", operations_per_s=0.0))
    evidence = Evidence.from_comparison(conclude(comparison.plan, results), "tuned")
    for form in FORMATS:
        assert read_evidence(write(tmp_path, evidence, form)) == expect(evidence, form)
    claim = next(one for one in evidence.claims if one.work == "phases")
    assert (claim.pairs, claim.failed) == (ROUNDS - 1, 1)
    assert any(None in values for series in evidence.trials for values in series.values.values())


def test_a_comparison_that_went_on_keeps_its_risk(tmp_path: Path) -> None:
    plan = make_plan(looked=(8,))
    evidence = Evidence.from_comparison(conclude(plan, fill_results(plan, tmp_path / "results")), "tuned")
    whole = make_evidence(tmp_path / "whole")
    assert [one.low for one in evidence.claims] == [one.low for one in whole.claims]
    one, other = evidence.claims[0], whole.claims[0]
    assert 0 < (one.verdict_low or 0) < (other.verdict_low or 0)
    for form in FORMATS:
        assert read_evidence(write(tmp_path, evidence, form)) == expect(evidence, form)
    assert plan_verification(evidence).looked == ()


def test_a_comparison_that_ended_at_a_look_keeps_its_risk(tmp_path: Path) -> None:
    plan = make_plan(looks=2)
    results = Results.open(tmp_path / "results")
    with results.writing():
        for result in fill_results(plan, tmp_path / "all"):
            if result.run.round < ROUNDS // 2:
                results.add(result)
    evidence = Evidence.from_comparison(conclude(plan, results), "tuned")
    assert evidence.rounds == ROUNDS // 2
    whole = make_evidence(tmp_path / "whole", rounds=ROUNDS // 2)
    # Two looks share the risk: the interval of the verdict is wider than that of one.
    for one, other in zip(evidence.claims, whole.claims, strict=True):
        assert (one.ratio, one.low, one.high) == (other.ratio, other.low, other.high)
    for form in FORMATS:
        assert read_evidence(write(tmp_path, evidence, form)) == expect(evidence, form)


def test_too_few_rounds_are_no_interval(tmp_path: Path) -> None:
    evidence = make_evidence(tmp_path / "results", rounds=2)
    assert {claim.verdict for claim in evidence.claims} == {"cannot tell"}
    assert {claim.low for claim in evidence.claims} == {None}
    for form in FORMATS:
        assert read_evidence(write(tmp_path, evidence, form)) == expect(evidence, form)


@every_format
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@example(name=" */ /* ??/ odd \\\nHAKMEM_X=1 \u202e\x00 ")
@example(name="evidence 1 of 2: x\n[tunables]")
def test_any_names_survive(tmp_path: Path, evidence: Evidence, form: str, name: str) -> None:
    """Of variants and works: people write them."""
    claims = tuple(replace(claim, work=name) for claim in evidence.claims if claim.work == "phases")
    trials = tuple(
        replace(series, work=name, variant=name if series.variant == "tuned" else "base")
        for series in evidence.trials
        if series.work == "phases"
    )
    plan = evidence.plan
    works = [{**work, "name": name} for work in plan["works"] if work["name"] == "phases"]
    variants = [{**one, "name": two} for one, two in zip(plan["variants"], ("base", name), strict=True)]
    named = replace(
        evidence,
        variant=name,
        baseline="base",
        claims=claims,
        trials=trials,
        plan={**plan, "works": works, "variants": variants},
    )
    assume(name != "base")
    path = write(tmp_path, named, form)
    assert read_evidence(path) == expect(named, form)
    assert read_defaults(path).values == SETTINGS


def test_a_file_without_evidence_has_none(tmp_path: Path) -> None:
    for form in FORMATS:
        write_defaults(tmp_path / "plain", form, SETTINGS, {"seed": "1"})
        assert read_evidence(tmp_path / "plain") is None


def test_only_a_whole_comparison_of_settings_gives_evidence(tmp_path: Path) -> None:
    comparison, results = compare(tmp_path / "results", rounds=3)
    with pytest.raises(BadParameter, match="did you mean 'tuned'"):
        Evidence.from_comparison(comparison, "tuner")
    with pytest.raises(BadParameter, match="glibc, which has no settings"):
        Evidence.from_comparison(comparison, "glibc")
    assert Evidence.from_comparison(comparison).variant == "tuned"
    longer = ComparisonPlan(comparison.plan.works, comparison.plan.variants, 4)
    with pytest.raises(WrongResults, match="3 of 4 rounds"):
        Evidence.from_comparison(conclude(longer, results), "tuned")
    with pytest.raises(WrongResults, match="no results of this comparison"):
        Evidence.from_comparison(replace(comparison, results=Results.open(tmp_path / "none")), "tuned")


def test_other_settings_are_refused_when_written(tmp_path: Path, evidence: Evidence) -> None:
    with pytest.raises(DamagedEvidence, match=r"tls\.grow_percent is 61 in the file, 60 in its evidence"):
        write_defaults(tmp_path / "a.env", "env", {**SETTINGS, "tls.grow_percent": 61}, {}, evidence=evidence)
    with pytest.raises(BadParameter, match="its ending tells no format"):
        write_evidence(tmp_path / "tuned.conf", evidence)


# --- what was changed ---


@every_format
def test_a_setting_that_was_changed_is_named(tmp_path: Path, evidence: Evidence, form: str) -> None:
    path = write(tmp_path, evidence, form)
    text = path.read_text()
    setting = next(
        line for line in text.split("\n") if re.match(r'[^#]*HAKMEM_TLS_GROW|"tls.grow|#define.*grow', line)
    )
    path.write_text(text.replace(setting, setting.replace("60", "65"), 1))
    read = read_evidence(path)
    assert read is not None
    with pytest.raises(DamagedEvidence, match=r"tls\.grow_percent is 65 in the file, 60 in its evidence"):
        read.check_settings(read_defaults(path).values)


def test_settings_left_out_or_added_are_named(evidence: Evidence) -> None:
    fewer = {name: value for name, value in SETTINGS.items() if name != "big.policy"}
    with pytest.raises(DamagedEvidence, match=r"big\.policy is left out in the file, lfu in its evidence"):
        evidence.check_settings(fewer)
    with pytest.raises(DamagedEvidence, match=r"tls\.max_slots = 100 is not in the evidence"):
        evidence.check_settings({**SETTINGS, "tls.max_slots": 100})
    evidence.check_settings({**SETTINGS, "tls.max_slots": 2048})  # the default changes nothing


def test_what_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    bomb = base64.b64encode(zlib.compress(b" " * (64 << 20), 9)).decode()
    path = tmp_path / "bomb.env"
    path.write_text(f"# evidence 1 of 1: {bomb}\nHAKMEM_TLS_GROW_PERCENT=60\n")
    with pytest.raises(DamagedEvidence, match="missing or was changed"):
        read_evidence(path)
    for wrong, said in (
        ("[" * 100_000, "missing or was changed"),
        ("3", "is not a table"),
        ("{", "missing or was changed"),
    ):
        text = base64.b64encode(zlib.compress(wrong.encode())).decode()
        path.write_text(f"# evidence 1 of 1: {text}\nHAKMEM_TLS_GROW_PERCENT=60\n")
        with pytest.raises(DamagedEvidence, match=said):
            read_evidence(path)
    other = tmp_path / "other.toml"
    other.write_text("evidence = 3\n[tunables]\n")
    with pytest.raises(DamagedEvidence, match="evidence: '3' is not a table"):
        read_evidence(other)


def test_packed_lines_changed_or_gone_are_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "data" / "tuned.env").read_text()
    path = tmp_path / "tuned.env"
    packed = [line for line in text.split("\n") if re.match(r"# evidence \d+ of", line)]
    for line, other in ((packed[2] + "\n", ""), (packed[-1], ""), (packed[2], packed[2][:-4] + "////")):
        path.write_text(text.replace(line, other))
        with pytest.raises(DamagedEvidence, match=r"tuned\.env: evidence: a line of it is missing"):
            read_evidence(path)


def plain(evidence: Evidence) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(evidence.to_dict()))
    return content


def reach(content: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        content = content[key]
    return content


def test_plain_values_make_the_same_evidence(evidence: Evidence) -> None:
    assert Evidence.from_dict(plain(evidence)) == evidence


def test_any_field_missing_or_unknown_is_named(evidence: Evidence) -> None:
    content = plain(evidence)
    for name in evidence.to_dict():
        if name in ("toml", "toml_sha256"):
            continue
        with pytest.raises(DamagedEvidence, match=rf"evidence(\.|: evidence needs ){name}"):
            Evidence.from_dict({key: value for key, value in content.items() if key != name})
    with pytest.raises(DamagedEvidence, match=r"evidence\.extra: there is no such field"):
        Evidence.from_dict({**content, "extra": 1})
    for wrong in (None, 3, "x", [1]):
        with pytest.raises(DamagedEvidence, match="is not a table"):
            Evidence.from_dict(wrong)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("rounds",), 2.5, r"evidence: rounds: 2\.5 is not a whole number"),
        (("date",), 5, r"evidence: date: 5 is not a text"),
        (("claims",), {}, r"evidence: claims: {} is not a list"),
        (("claims", 0, "ratio"), "big", r"evidence: claims\[0\]\.ratio: 'big' is not a number"),
        (("claims", 0, "low"), "x", r"low: 'x' is not a number"),
        (("claims", 0, "is_higher_better"), 1, r"is_higher_better: 1 is not true or false"),
        (("machine",), [], r"evidence: machine: \[\] is not a table"),
        (("machine", "cores"), "two", r"evidence: machine\.cores: 'two' is not a whole number"),
        (("trials", 1, "ids"), "x", r"evidence: trials\[1\]\.ids: 'x' is not a list"),
        (("allocators", "hakmem", "version"), 1, r"evidence: allocators\.hakmem\.version: 1 is not a text"),
        (("settings", "tls.grow_percent"), [], r"settings\.tls\.grow_percent: \[\] is not"),
        (("version",), 3, r"evidence\.version: 3 is not 2"),
    ],
)
def test_a_wrong_value_is_named(evidence: Evidence, path: tuple[Any, ...], value: Any, said: str) -> None:
    content = plain(evidence)
    reach(content, path[:-1])[path[-1]] = value
    with pytest.raises(DamagedEvidence, match=said):
        Evidence.from_dict(content)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("claims", 0, "ratio"), 1.5, "throughput of random_mixed does not follow.*ratio 1.5 stands there"),
        (("claims", 0, "low"), 1.049, "low 1.049 stands there"),
        (("claims", 0, "low"), None, "low None stands there"),
        (("claims", 0, "verdict_high"), 9.0, "verdict_high 9.0"),
        (("claims", 0, "pairs"), 50, "pairs 50"),
        (("claims", 0, "verdict"), "worse", "verdict worse"),
        (("claims", 0, "value"), 5.0, "value 5.0"),
        (("claims", 0, "baseline_value"), None, "baseline_value None"),
        (("claims", 0, "work"), "larson", "throughput of tuned in larson has not 12 rounds"),
        (("claims", 0, "measure"), "beauty", "beauty of tuned in random_mixed has not 12 rounds"),
        (("trials", 3, "values", "throughput", 0), 9e9, "does not follow from its runs"),
        (("trials", 3, "values", "throughput"), [1.0], "has not 12 rounds"),
        (("claims",), [], "evidence.claims: there is none"),
        (("rounds",), 11, "evidence.rounds: 11 is not a declared end: 12"),
        (("plan", "works"), 3, "evidence.plan cannot be understood"),
        (
            ("plan", "works", 0, "trial", "speed"),
            3,
            "evidence.plan cannot be understood: unknown field of .*'speed'",
        ),
    ],
)
def test_figures_that_do_not_follow_are_named(
    evidence: Evidence, path: tuple[Any, ...], value: Any, said: str
) -> None:
    content = plain(evidence)
    reach(content, path[:-1])[path[-1]] = value
    with pytest.raises(DamagedEvidence, match=said):
        check_figures(Evidence.from_dict(content))
