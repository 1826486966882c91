"""Which chart a result shows itself with in a notebook. Plotly is imported when the first one is drawn."""

from __future__ import annotations

from typing import Any

from workbench.display import PICTURES


def _draw_comparison(comparison: Any) -> object:
    from workbench.plots import draw_ratios

    return draw_ratios(comparison)


def _draw_verification(verification: Any) -> object:
    return _draw_comparison(verification.comparison)


def _draw_study(study: Any) -> object:
    from workbench.plots import draw_study

    frame = study.to_frame()
    return None if frame.empty else draw_study(frame, study.plan.objectives)


def _draw_session(session: Any) -> object:
    from workbench.plots import draw_session

    return draw_session(session)


PICTURES.update(
    Comparison=_draw_comparison,
    Verification=_draw_verification,
    Study=_draw_study,
    Session=_draw_session,
)
