"""Studies: search for better settings, and judge the winner on held-out works."""

from workbench.tuning.held_out import HeldOut
from workbench.tuning.live_search import LiveSearch, LiveStudyProgress, prepare_search
from workbench.tuning.live_study import LiveStudy, LiveStudyPlan, LiveTrial
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
    "LiveSearch",
    "LiveStudy",
    "LiveStudyPlan",
    "LiveStudyProgress",
    "LiveTrial",
    "SearchSpace",
    "Study",
    "StudyPlan",
    "StudyStart",
    "StudyStep",
    "format_settings",
    "make_space",
    "prepare_search",
    "read_study",
    "start_from",
]
