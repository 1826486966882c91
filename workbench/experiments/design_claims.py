"""The claims of the published design, each with the experiment that puts it to the test."""

from __future__ import annotations

import math
from collections.abc import Mapping

from workbench.control import Value
from workbench.experiments.claim_findings import DesignClaim, Expectation, Quantity
from workbench.experiments.comparison_plan import Variant, Work
from workbench.experiments.result import TrialResult
from workbench.experiments.trial import Trial
from workbench.units import MIB

_BASE = "hakmem"  # as it is: adaptive, dynamic


def _share(name: str, parts: tuple[str, ...], whole: str, *, is_higher_better: bool = False) -> Quantity:
    def read(result: TrialResult) -> float:
        total = result.telemetry.get(whole, 0.0)
        return sum(result.telemetry.get(part, math.nan) for part in parts) / total if total > 0 else math.nan

    return Quantity(name, "share", read, is_higher_better=is_higher_better, is_share=True)


THROUGHPUT = Quantity(
    "throughput", "M operations/s", lambda result: result.operations_per_s / 1e6, is_higher_better=True
)
PEAK_RESIDENT = Quantity("peak resident", "MiB", lambda result: result.peak_resident_bytes / MIB)
MEAN_RESIDENT = Quantity("mean resident", "MiB", lambda result: result.mean_resident_bytes / MIB)
CACHED = Quantity(
    "cache memory", "MiB", lambda result: math.nan if result.mean_cached_bytes is None
    else result.mean_cached_bytes / MIB,
)  # fmt: skip
SURVIVAL = Quantity(
    "runs that end well",
    "share",
    lambda result: 1.0,  # noqa: ARG005 - counted, not read
    is_higher_better=True,
    is_share=True,
    counts_failures=True,
)
SITE_HITS = _share("hits, same site", ("big.hits",), "big.lookups", is_higher_better=True)
ALL_HITS = _share("hits, any site", ("big.hits", "big.class_hits"), "big.lookups", is_higher_better=True)
CONTENTION = _share("failed trylocks", ("l25.contended",), "l25.operations")
MISSES = _share("empty caches", ("tls.misses",), "tls.allocations")
ENTRIES = Quantity(
    "registry, at most", "entries", lambda result: result.telemetry.get("registry.entries", math.nan)
)


def list_claims(seconds: float = 1.0) -> tuple[DesignClaim, ...]:
    """All of them.

    Parameters
    ----------
    seconds : float
        Length of a run.
    """

    def work(name: str, workload: str, threads: int, **parameters: float) -> Work:
        return Work(name, Trial(workload, parameters, threads=threads, seconds=seconds))

    # Several phases or tides in every run, however short it is.
    phase_ms = max(20.0, round(seconds * 1000 / 8))
    return (
        DesignClaim(
            "adaptive",
            "Caches that adapt against fixed ones",
            "Adaptive thread caches are 3 to 10 % faster than fixed ones of 256 to 768 slots, with 30 to "
            "50 % less memory in caches.",
            (
                work("phases", "phases", 1, phase_ms=phase_ms),
                work("larson, 16 to 64 B", "larson", 2, min_size=16, max_size=64),
                work("random_mixed, 8192 slots", "random_mixed", 1, slots=8192),
            ),
            (Variant(_BASE), _fix_slots(256), _fix_slots(768)),
            ((_BASE, "fixed 256"), (_BASE, "fixed 768")),
            (
                Expectation(THROUGHPUT, (3.0, 10.0)),
                Expectation(CACHED, (-50.0, -30.0)),
                Expectation(PEAK_RESIDENT),
            ),
        ),
        DesignClaim(
            "big cache",
            "BigCache that grows against a fixed one",
            "A BigCache of 256 places hits in about 60 % of all cases, one that grows 10 to 20 points more.",
            (work("site_churn", "site_churn", 1, phase_ms=phase_ms),),
            (
                Variant(_BASE),
                _tune("256 buckets", {"big.max_buckets": 256}),
                _tune("256 places", {"big.max_buckets": 256, "big.max_entries": 256}),
            ),
            ((_BASE, "256 buckets"), (_BASE, "256 places")),
            (
                Expectation(SITE_HITS, (10.0, 20.0)),
                Expectation(ALL_HITS, (10.0, 20.0)),
                Expectation(THROUGHPUT),
            ),
        ),
        DesignClaim(
            "shards",
            "L2.5 shards that double against 64 fixed ones",
            "Under contention a number of shards that grows beats 64 fixed ones.",
            (
                work("mid_churn, 8 threads", "mid_churn", 8),
                work("mid_churn, 32 threads", "mid_churn", 32),
            ),
            (
                Variant(_BASE),
                _tune("64 shards", {"l25.max_shards": 64}),
                _tune("1 shard", {"l25.initial_shards": 1, "l25.max_shards": 1}),
            ),
            ((_BASE, "64 shards"), (_BASE, "1 shard")),
            (Expectation(THROUGHPUT), Expectation(CONTENTION), Expectation(PEAK_RESIDENT)),
        ),
        DesignClaim(
            "tiers",
            "Tiers on and off",
            "Without tiers chunks that hardly hold anything fill the registry; with them they drain and go.",
            (
                work("fragmentation", "fragmentation", 1),
                work("service", "service", 2, idle_ms=100, burst=20000),
                work("random_mixed, 8192 slots", "random_mixed", 1, slots=8192),
            ),
            (Variant(_BASE), _tune("no tiers", {"ss.drain_percent": 0})),
            ((_BASE, "no tiers"),),
            (
                Expectation(ENTRIES),
                Expectation(PEAK_RESIDENT),
                Expectation(MEAN_RESIDENT),
                Expectation(THROUGHPUT),
            ),
        ),
        DesignClaim(
            "routes",
            "Route profiles",
            "On random_mixed 256: conservative 2.90, hot 2.65, off 2.86, full 2.98 M operations/s.",
            (work("random_mixed, 256 slots", "random_mixed", 1, slots=256),),
            (Variant(_BASE), *(_tune(name, {"route.profile": name}) for name in ("hot", "off", "full"))),
            (("hot", _BASE), ("off", _BASE), ("full", _BASE)),
            (Expectation(THROUGHPUT), Expectation(PEAK_RESIDENT)),
            {name: (_percent(rate), _percent(rate)) for name, rate in _ROUTE_RATES.items()},
        ),
        DesignClaim(
            "pre-warm",
            "Caches filled before a thread begins",
            "Pre-warming removes the cold start of threads.",
            (work("larson, threads of 200 blocks", "larson", 2, rounds=1, blocks=200),),
            (
                Variant(_BASE),
                _tune("prewarm 16", {"tls.prewarm_slots": 16}),
                _tune("prewarm 64", {"tls.prewarm_slots": 64}),
            ),
            (("prewarm 16", _BASE), ("prewarm 64", _BASE)),
            (Expectation(MISSES), Expectation(THROUGHPUT), Expectation(PEAK_RESIDENT)),
        ),
        DesignClaim(
            "linked chunks",
            "Linked chunks against 32 slabs",
            "With 32 slabs, fixed when compiled, four busy threads run out of memory; linked chunks do not.",
            (work("random_mixed, 4 threads", "random_mixed", 4, slots=20000),),
            (Variant(_BASE), _tune("one chunk", {"ss.max_chunks": 1})),
            ((_BASE, "one chunk"),),
            (Expectation(SURVIVAL),),
        ),
    )


# M operations/s, as published; of conservative 2.90.
_ROUTE_RATES: Mapping[str, float] = {"hot": 2.65, "off": 2.86, "full": 2.98}


def _percent(rate: float) -> float:
    return 100 * (rate / 2.90 - 1)


def _tune(name: str, tunables: Mapping[str, Value]) -> Variant:
    return Variant(name, tunables=tunables)


def _fix_slots(slots: int) -> Variant:
    """Bins of so many slots whatever happens, and no limit in bytes, which the fixed design had not."""
    return _tune(f"fixed {slots}", {"tls.adaptive": False, "tls.initial_slots": slots, "tls.max_bytes": 0})
