"""The tuning panel: live charts, controls from descriptors, a log, in one notebook cell."""

from workbench.panel.tuning_panel import TuningPanel, close_panels, tuning_panel

__all__ = ["TuningPanel", "close_panels", "tuning_panel"]
