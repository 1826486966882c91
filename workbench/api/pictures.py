"""Which chart a result shows itself with in a notebook. Plotly is imported when the first one is drawn."""

from __future__ import annotations

from typing import Any

from workbench.display import PICTURES


def _plots() -> Any:
    from workbench import plots

    return plots


def _draw_study(study: Any) -> object:
    frame = study.to_frame()
    return None if frame.empty else _plots().draw_study(frame, study.plan.objectives)


PICTURES.update(
    Comparison=lambda comparison: _plots().draw_ratios(comparison),
    Verification=lambda verification: _plots().draw_ratios(verification.comparison),
    Study=_draw_study,
    Session=lambda session: _plots().draw_session(session),
)
