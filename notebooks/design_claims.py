"""The claims of the published design, each with an experiment, for 06_is_adaptive_better.ipynb.

A comparison judges throughput, memory and latency by ratios. A claim may be about anything the allocator
tells of itself, and about shares, whose effect is a difference in points.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy import stats

from workbench.experiments import ComparisonPlan, Result, Results, Run, Variant, Work, run_comparison
from workbench.experiments.inference import judge_log_ratios
from workbench.units import MIB

_COLORS = {
    "better": "#2a9d8f",
    "worse": "#c9506a",
    "the same": "#4a6fa5",
    "cannot tell": "#7d8b99",
    "published": "#e9a93a",
}
# Each of two shares whose difference is told: together they are 95 %.
_SHARE_CONFIDENCE = 0.975

Published = tuple[float, float] | None  # effect from and to, in percent or points


@dataclass(frozen=True)
class Quantity:
    """What a claim is about; the effect on a share is told in points, else in percent of the other side."""

    unit: str
    read: Callable[[Result], float]
    is_higher_better: bool = False

    @property
    def effect_unit(self) -> str:
        return "points" if self.unit == "share" else "%"


def _share(parts: tuple[str, ...], whole: str, *, is_higher_better: bool = False) -> Quantity:
    def read(result: Result) -> float:
        total = result.telemetry.get(whole, 0.0)
        return sum(result.telemetry.get(part, math.nan) for part in parts) / total if total > 0 else math.nan

    return Quantity("share", read, is_higher_better)


SURVIVAL = "runs that end well"  # counted, with those that fail
QUANTITIES = {
    "throughput": Quantity("M operations/s", lambda result: result.operations_per_s / 1e6, True),
    "peak resident": Quantity("MiB", lambda result: result.peak_resident_bytes / MIB),
    "mean resident": Quantity("MiB", lambda result: result.mean_resident_bytes / MIB),
    "cache memory": Quantity("MiB", lambda result: (result.mean_cached_bytes or math.nan) / MIB),
    "hits, same site": _share(("big.hits",), "big.lookups", is_higher_better=True),
    "hits, any site": _share(("big.hits", "big.class_hits"), "big.lookups", is_higher_better=True),
    "failed trylocks": _share(("l25.contended",), "l25.operations"),
    "empty caches": _share(("tls.misses",), "tls.allocations"),
    "registry, at most": Quantity("entries", lambda found: found.telemetry.get("registry.entries", math.nan)),
    SURVIVAL: Quantity("share", lambda result: float(result.is_measured), True),
}


@dataclass(frozen=True)
class Claim:
    """What was published, and the experiment: `pairs` of variants, the published figure is of the first."""

    title: str
    says: str
    works: tuple[Work, ...]
    variants: Mapping[str, Mapping[str, bool | float | str]]  # what each sets
    pairs: tuple[tuple[str, str], ...]
    quantities: Mapping[str, Published]
    throughputs: Mapping[str, Published] = field(default_factory=dict)  # where they differ between pairs

    def plan(self, rounds: int) -> ComparisonPlan:
        return ComparisonPlan(
            self.works, tuple(Variant(name, tunables=one) for name, one in self.variants.items()), rounds
        )

    def list_commands(self, rounds: int) -> list[str]:
        """The same comparisons in a terminal, one a work; the first variant is hakmem as it is."""
        commands = []
        for work in self.works:
            run = work.run
            words = ["workbench", "compare", run.workload, "--rounds", str(rounds)]
            words += ["--threads", str(run.threads), "--seconds", f"{run.seconds:g}"]
            for name, value in run.parameters.items():
                words += ["--param", f"{name}={value:.15g}"]
            for name, tunables in list(self.variants.items())[1:]:
                values = ",".join(
                    f"{key}={int(value) if isinstance(value, bool) else value}"
                    for key, value in tunables.items()
                )
                words += ["--variant", f"{name}:{values}"]
            commands.append(shlex.join(words))
        return commands


def try_claim(claim: Claim, rounds: int, folder: str) -> pd.DataFrame:
    """Run what is missing in the folder, and tell what was found: effects with their 95 % intervals.

    8 rounds are the fewest that can tell anything. A verdict requires that the 99 % interval lies entirely
    outside ±1 % or ±1 point. Runs that failed are in `attrs["failures"]`.
    """
    plan, results = claim.plan(rounds), Results.open(folder)
    machine = run_comparison(plan, results, retries_failures=False).machine
    found = {
        (cell.work, cell.variant, cell.round): results.get(cell.run.resolve().id)
        for cell in plan.list_cells()
    }
    rows = [
        {"work": work.name, "variant": " / ".join(pair), "quantity": name}
        | _find(
            name,
            [[found[work.name, variant, number] for number in range(rounds)] for variant in pair],
            claim.throughputs.get(pair[0], published) if name == "throughput" else published,
        )
        for name, published in claim.quantities.items()
        for work in claim.works
        for pair in claim.pairs
    ]
    frame = pd.DataFrame(rows)
    # Numbers aside, which differ from run to run, a reason is one.
    failures = Counter(
        f"{work} under {variant}: {result.status}: {re.sub('[0-9]+', '…', result.reason)}"
        for (work, variant, _), result in found.items()
        if result is not None and not result.is_measured
    )
    frame.attrs = {"title": f"{claim.title}, {rounds} rounds on {machine}", "failures": dict(failures)}
    return frame


def _find(name: str, sides: list[list[Result | None]], published: Published) -> dict[str, float | str | None]:
    quantity = QUANTITIES[name]
    is_counted = name == SURVIVAL  # whatever came of a run

    def read(one: Result | None) -> float:
        return quantity.read(one) if one and (one.is_measured or is_counted) else math.nan

    values = np.array([[read(one) for one in side] for side in sides])
    pairs = int(np.isfinite(values).all(axis=0).sum())
    if is_counted:
        value, other = values.mean(axis=1)
        ours, theirs = (
            stats.binomtest(int(side.sum()), len(side)).proportion_ci(_SHARE_CONFIDENCE) for side in values
        )
        effect, low, high = value - other, ours.low - theirs.high, ours.high - theirs.low
        verdict = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    else:
        is_share = quantity.unit == "share"
        kept = values if is_share else np.log(np.where(values > 0, values, math.nan))
        ratio = judge_log_ratios(kept[0] - kept[1], is_higher_better=quantity.is_higher_better)
        verdict = "the same" if ratio.is_same and ratio.verdict == "cannot tell" else ratio.verdict
        bounds = np.array([ratio.estimate, ratio.low, ratio.high])  # exponentials of what was judged
        with np.errstate(divide="ignore"):
            told = np.log(bounds) if is_share else bounds - 1
        effect, low, high = np.where(bounds == 0, -np.inf, told).tolist()
        pairs = ratio.pairs
        value, other = (np.median(side[np.isfinite(side)]) if pairs else math.nan for side in values)
    effect, low, high = 100 * effect, 100 * low, 100 * high
    return {
        "found": _word(effect, low, high, verdict, published if pairs else None),
        "effect": effect,
        "low": low,
        "high": high,
        "effect unit": quantity.effect_unit,
        "published": "–" if published is None else f"{published[0]:+.1f} to {published[1]:+.1f}",
        "value": value,
        "against": other,
        "unit": quantity.unit,
        "verdict": verdict,
        "pairs": pairs,
    }


def _word(effect: float, low: float, high: float, verdict: str, published: Published) -> str:
    """What a finding says of the claim, in a few words."""
    if published is None:
        return verdict
    # Turned so that what was published is above zero.
    sign = 1.0 if sum(published) > 0 else -1.0
    said_low, said_high = sorted(sign * bound for bound in published)
    found_low, found_high = sorted((sign * low, sign * high))
    is_told = verdict in ("better", "worse")
    if is_told and sign * effect < 0:
        return f"the contrary: {verdict}"
    if found_high < said_low:
        if verdict == "the same":
            return "not so: the same"
        return "less than published" if is_told else "less than published, if anything"
    if verdict == "cannot tell":
        return verdict
    return "more than published" if found_low > said_high else "as published"


def draw_claim(frame: pd.DataFrame) -> go.Figure:
    """A row of axes a quantity: effects with their 95 % intervals, and what was published as a band."""
    groups = list(frame[np.isfinite(frame["effect"])].groupby("quantity", sort=False))
    heights = [len(group) + 1.6 for _, group in groups] or [1.6]
    titles = [
        f"{name}: difference in {group['effect unit'].iloc[0]}, "
        f"{'higher' if QUANTITIES[name].is_higher_better else 'lower'} is better"
        for name, group in groups
    ]
    figure = make_subplots(
        rows=len(heights),
        row_heights=heights,
        vertical_spacing=min(0.9 / max(len(heights), 2), 2.2 / sum(heights)),
        subplot_titles=titles,
    )
    for row, (_, group) in enumerate(groups, start=1):
        for one in group[::-1].to_dict("records"):
            label = f"{one['work']} · {one['variant']}"
            if one["published"] != "–":
                said = [float(bound) for bound in one["published"].split(" to ")]
                band = {"mode": "lines", "opacity": 0.55, "line": {"width": 9, "color": _COLORS["published"]}}
                figure.add_scatter(x=said, y=[label] * 2, name="published", row=row, col=1, **band)
            bounds = {"array": [one["high"] - one["effect"]], "arrayminus": [one["effect"] - one["low"]]}
            has_interval = math.isfinite(one["high"] - one["low"])
            figure.add_scatter(
                x=[one["effect"]],
                y=[label],
                error_x={"type": "data", **bounds} if has_interval else None,
                mode="markers",
                marker={"color": _COLORS[one["verdict"]], "size": 8},
                name=one["verdict"],
                hovertemplate=f"%{{x:+.1f}} {one['effect unit']}, {one['found']}<extra></extra>",
                row=row,
                col=1,
            )
        figure.add_vline(x=0, line={"color": "#444444", "width": 1}, row=row, col=1)
    shown: set[str] = set()
    for trace in figure.data:
        trace.update(legendgroup=trace.name, showlegend=trace.name not in shown)
        shown.add(trace.name)
    figure.update_yaxes(automargin=True, tickfont={"size": 11})
    height = int(160 + 26 * sum(heights))
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1 + 60 / height}
    return figure.update_layout(title=frame.attrs["title"], height=height, legend=legend)


def list_claims(seconds: float = 1.0) -> dict[str, Claim]:
    """All of them by name, with runs of so many seconds."""

    def work(name: str, workload: str, threads: int, **parameters: float) -> Work:
        return Work(name, Run(workload, parameters, threads=threads, seconds=seconds))

    # Several phases or tides in every run, however short it is.
    phase_ms = max(20.0, round(seconds * 1000 / 8))
    adaptive: dict[str, Mapping[str, bool | float | str]] = {"hakmem": {}}
    # Bins of so many slots whatever happens, and no limit in bytes, which the fixed design had not.
    fixed: Mapping[str, Mapping[str, bool | float | str]] = {
        f"fixed {slots}": {"tls.adaptive": False, "tls.initial_slots": slots, "tls.max_bytes": 0}
        for slots in (256, 768)
    }
    # M operations/s as published, of conservative 2.90.
    rates = {name: 100 * (rate / 2.90 - 1) for name, rate in (("hot", 2.65), ("off", 2.86), ("full", 2.98))}
    return {
        "adaptive": Claim(
            "Caches that adapt against fixed ones",
            "Adaptive thread caches are 3 to 10 % faster than fixed ones of 256 to 768 slots, with 30 to "
            "50 % less memory in caches.",
            (
                work("phases", "phases", 1, phase_ms=phase_ms),
                work("larson, 16 to 64 B", "larson", 2, min_size=16, max_size=64),
                work("random_mixed, 8192 slots", "random_mixed", 1, slots=8192),
            ),
            adaptive | fixed,
            (("hakmem", "fixed 256"), ("hakmem", "fixed 768")),
            {"throughput": (3.0, 10.0), "cache memory": (-50.0, -30.0), "peak resident": None},
        ),
        "big cache": Claim(
            "BigCache that grows against a fixed one",
            "A BigCache of 256 places hits in about 60 % of all cases, one that grows 10 to 20 points more.",
            (work("site_churn", "site_churn", 1, phase_ms=phase_ms),),
            adaptive
            | {
                "256 buckets": {"big.max_buckets": 256},
                "256 places": {"big.max_buckets": 256, "big.max_entries": 256},
            },
            (("hakmem", "256 buckets"), ("hakmem", "256 places")),
            {"hits, same site": (10.0, 20.0), "hits, any site": (10.0, 20.0), "throughput": None},
        ),
        "shards": Claim(
            "L2.5 shards that double against 64 fixed ones",
            "Under contention a number of shards that grows beats 64 fixed ones.",
            (work("mid_churn, 8 threads", "mid_churn", 8), work("mid_churn, 32 threads", "mid_churn", 32)),
            adaptive
            | {
                "64 shards": {"l25.max_shards": 64},
                "1 shard": {"l25.initial_shards": 1, "l25.max_shards": 1},
            },
            (("hakmem", "64 shards"), ("hakmem", "1 shard")),
            {"throughput": None, "failed trylocks": None, "peak resident": None},
        ),
        "tiers": Claim(
            "Tiers on and off",
            "Without tiers chunks that hardly hold anything fill the registry; with them they drain and go.",
            (
                work("fragmentation", "fragmentation", 1),
                work("service", "service", 2, idle_ms=100, burst=20000),
                work("random_mixed, 8192 slots", "random_mixed", 1, slots=8192),
            ),
            adaptive | {"no tiers": {"ss.drain_percent": 0}},
            (("hakmem", "no tiers"),),
            dict.fromkeys(("registry, at most", "peak resident", "mean resident", "throughput")),
        ),
        "routes": Claim(
            "Route profiles",
            "On random_mixed 256: conservative 2.90, hot 2.65, off 2.86, full 2.98 M operations/s.",
            (work("random_mixed, 256 slots", "random_mixed", 1, slots=256),),
            adaptive | {name: {"route.profile": name} for name in rates},
            tuple((name, "hakmem") for name in rates),
            {"throughput": None, "peak resident": None},
            {name: (rate, rate) for name, rate in rates.items()},
        ),
        "pre-warm": Claim(
            "Caches filled before a thread begins",
            "Pre-warming removes the cold start of threads.",
            (work("larson, threads of 200 blocks", "larson", 2, rounds=1, blocks=200),),
            adaptive | {f"prewarm {slots}": {"tls.prewarm_slots": slots} for slots in (16, 64)},
            (("prewarm 16", "hakmem"), ("prewarm 64", "hakmem")),
            {"empty caches": None, "throughput": None, "peak resident": None},
        ),
        "linked chunks": Claim(
            "Linked chunks against 32 slabs",
            "With 32 slabs, fixed when compiled, four busy threads run out of memory; linked chunks do not.",
            (work("random_mixed, 4 threads", "random_mixed", 4, slots=20000),),
            adaptive | {"one chunk": {"ss.max_chunks": 1}},
            (("hakmem", "one chunk"),),
            {SURVIVAL: None},
        ),
    }
