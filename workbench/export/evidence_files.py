"""Exported files that carry evidence: written, and read with every check that needs no run."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.errors import DamagedEvidence
from workbench.experiments import ALL_WORKS
from workbench.experiments.inference import FloatArray, judge_log_ratios
from workbench.export.defaults import choose_format, recognise_format, write_defaults
from workbench.export.evidence import Evidence, describe_ratio, finite_or_none
from workbench.export.format import read_text
from workbench.export.live_evidence import KIND, LiveEvidence
from workbench.export.toml import TOML, read_comments, read_table

# Figures are written in full: what differs by more was not computed from them.
_TOLERANCE = 1e-9


def write_evidence(
    path: str | os.PathLike[str], evidence: Evidence | LiveEvidence, form: str | None = None
) -> None:
    """Write the settings that evidence is about, with it; the ending of the path tells the format, or `form`.

    TOML holds all of the evidence. Another format holds the claim and names the TOML with its hash; where
    there is none yet, it is written beside the file, as `tuned.env.toml` beside `tuned.env`. BadParameter if
    the format is unknown, or a file cannot be written.
    """
    form = form or choose_format(path)
    if form != TOML.name and evidence.toml is None:
        whole = Path(f"{os.fspath(path)}{TOML.suffix}")
        write_defaults(whole, TOML.name, evidence.settings, {}, evidence=evidence)
        evidence = replace(evidence, toml=whole.name, toml_sha256=_hash(whole))
    write_defaults(path, form, evidence.settings, {}, evidence=evidence)


def read_evidence(path: str | os.PathLike[str]) -> Evidence | LiveEvidence | None:
    """Read the evidence of an exported file, if it carries any, and see that it agrees with itself.

    Whether it agrees with the file's settings `check_settings` tells: their names may be unknown here.
    DamagedEvidence with what is missing or wrong, BadParameter if the file cannot be read.
    """
    text = read_text(path)
    form = recognise_format(os.fspath(path), text)
    try:
        content = read_table(text) if form is TOML else read_comments(form.list_comments(text))
        if content is None:
            return None
        evidence = _read_either(content)
    except DamagedEvidence as error:
        raise DamagedEvidence(f"{os.fspath(path)}: {error}") from None
    if form is TOML:
        return replace(evidence, toml=Path(path).name, toml_sha256=_hash(Path(path)))
    return evidence


def _read_either(content: object) -> Evidence | LiveEvidence:
    if isinstance(content, Mapping) and content.get("kind") == KIND:
        live = LiveEvidence.from_dict(content)
        live.check_figures()
        return live
    evidence = Evidence.from_dict(content)
    check_figures(evidence)
    return evidence


def find_other_toml(path: str | os.PathLike[str], evidence: Evidence | LiveEvidence) -> list[str]:
    """Say whether the TOML that a file names lies beside it and is another one than it was."""
    whole = Path(path).parent / Path(evidence.toml or "").name
    if not whole.is_file() or _hash(whole) == evidence.toml_sha256:
        return []
    return [f"{whole}: it has changed since {os.fspath(path)} was made of it"]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_figures(evidence: Evidence) -> None:
    """Compute every claim again from the figures of the runs, if there are any; else DamagedEvidence."""
    plan = evidence.comparison_plan
    risk = plan.find_risk(evidence.rounds)
    if risk is None:
        looks = ", ".join(map(str, plan.list_looks()))
        raise DamagedEvidence(f"evidence.rounds: {evidence.rounds} is not a declared end: {looks}")
    if not evidence.claims:
        raise DamagedEvidence("evidence.claims: there is none")
    for claim in evidence.claims if evidence.trials else ():
        works = [work.name for work in plan.works] if claim.work == ALL_WORKS else [claim.work]
        sides = np.array(
            [
                [_list_values(evidence, work, variant, claim.measure) for work in works]
                for variant in (evidence.variant, evidence.baseline)
            ]
        )
        log_ratios = (np.log(sides[0]) - np.log(sides[1])).mean(axis=0)
        right = describe_ratio(
            judge_log_ratios(log_ratios, is_higher_better=claim.is_higher_better, risk=risk)
        )
        if claim.work != ALL_WORKS:
            right["value"], right["baseline_value"] = (_find_median(side) for side in sides)
        for name, value in right.items():
            given = getattr(claim, name)
            are_numbers = isinstance(given, float) and isinstance(value, float)
            if not (math.isclose(given, value, rel_tol=_TOLERANCE) if are_numbers else given == value):
                raise DamagedEvidence(
                    f"the claim about {claim.measure} of {claim.work} does not follow from its runs: "
                    f"{name} {given} stands there, {value} is right"
                )


def _list_values(evidence: Evidence, work: str, variant: str, measure: str) -> FloatArray:
    for series in evidence.trials:
        values = series.values.get(measure, ())
        if (series.work, series.variant) == (work, variant) and len(values) == evidence.rounds:
            # A round without a value, or without a positive one, does not count; as in a comparison.
            return np.array([math.nan if one is None or one <= 0 else one for one in values])
    raise DamagedEvidence(
        f"evidence.trials: {measure} of {variant} in {work} has not {evidence.rounds} rounds"
    )


def _find_median(values: FloatArray) -> float | None:
    kept = values[np.isfinite(values)]
    return finite_or_none(float(np.median(kept))) if len(kept) else None
