"""The tuning panel: live charts, sliders and a log in one notebook cell."""

from workbench.panel.tuning_panel import TuningPanel, close_panels, tuning_panel

__all__ = ["TuningPanel", "close_panels", "tuning_panel"]
