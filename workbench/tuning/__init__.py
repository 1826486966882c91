"""Studies: search for better settings, and judge the winner on held-out works."""

from workbench.tuning.held_out import HeldOut
from workbench.tuning.plan import OBJECTIVES, HeldOutPlan, StudyPlan, read_study
from workbench.tuning.space import Bounds, Dimension, SearchSpace, make_space
from workbench.tuning.start import StudyStart, start_from
from workbench.tuning.storage import Candidate, format_settings
from workbench.tuning.study import Study, StudyStep

__all__ = [
    "OBJECTIVES",
    "Bounds",
    "Candidate",
    "Dimension",
    "HeldOut",
    "HeldOutPlan",
    "SearchSpace",
    "Study",
    "StudyPlan",
    "StudyStart",
    "StudyStep",
    "format_settings",
    "make_space",
    "read_study",
    "start_from",
]
