"""The chart of a claim: every finding with its interval, what was published as a band."""

from __future__ import annotations

import math

from workbench.experiments.claim_findings import ClaimFinding, ClaimTest
from workbench.experiments.design_claims import ALL_HITS, THROUGHPUT, list_claims
from workbench.plots import draw_claim

CLAIM = list_claims()[0]


def find(
    effect: float, published: tuple[float, float] | None, verdict: str = "better", **fields: object
) -> ClaimFinding:
    given = {
        "work": "phases", "variant": "hakmem", "against": "fixed", "quantity": THROUGHPUT, "value": 2.0,
        "against_value": 1.0, "low": effect - 1, "high": effect + 2, "pairs": 9,
    }  # fmt: skip
    return ClaimFinding(effect=effect, verdict=verdict, published=published, **(given | fields))  # type: ignore[arg-type]


def test_findings_bands_and_axes() -> None:
    findings = (
        find(5.0, (3.0, 10.0)),
        find(-4.0, None, "worse", work="larson"),
        find(12.0, (10.0, 20.0), quantity=ALL_HITS),
    )
    figure = draw_claim(ClaimTest(CLAIM, 9, findings, {}, "a machine"))
    points = [trace for trace in figure.data if trace.mode == "markers"]
    bands = [trace for trace in figure.data if trace.mode != "markers"]
    assert sorted(trace.x[0] for trace in points) == [-4.0, 5.0, 12.0]
    assert {(*trace.x,) for trace in bands} == {(3.0, 10.0), (10.0, 20.0)}
    five = next(trace for trace in points if trace.x[0] == 5.0)
    assert (five.error_x.array[0], five.error_x.arrayminus[0]) == (2.0, 1.0)
    titles = [one.text for one in figure.layout.annotations]
    assert titles == [
        "throughput: difference, higher is better",
        "hits, any site: difference in points, higher is better",
    ]
    assert sum(bool(trace.showlegend) for trace in figure.data) == 3  # better, worse, published: each once


def test_without_an_interval_there_is_a_point_and_without_figures_nothing() -> None:
    open_ended = find(5.0, None, "cannot tell", low=-math.inf, high=math.inf)
    nothing = find(math.nan, None, "cannot tell", pairs=0, low=-math.inf, high=math.inf)
    figure = draw_claim(ClaimTest(CLAIM, 2, (open_ended, nothing), {}, "a machine"))
    (point,) = figure.data
    assert (point.error_x.array[0], point.error_x.arrayminus[0]) == (0.0, 0.0)
