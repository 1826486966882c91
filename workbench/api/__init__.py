"""What `import workbench as wb` offers: a whole session in about 25 names.

`workbench/__init__.py` imports each of them from its module here when it is first used, so that `import
workbench` stays fast. The commands of the command line call the same functions. From the first import on,
results show themselves in a notebook with the charts that are entered here; Plotly is imported when the first
one is drawn.
"""

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
    LiveStudy=lambda study: (
        _plots().draw_trials(study.to_frame(), study.objective.name) if study.trials else None
    ),
    LiveResult=lambda result: _plots().draw_blocks(result),
    Session=lambda session: _plots().draw_session(session),
    HeapProfile=lambda profile: _plots().draw_heap(profile),
    WhatIf=lambda told: _plots().draw_whatif(told),
)
