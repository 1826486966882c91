"""Results to arrays (pure), and arrays to Plotly figures."""

from workbench.plots.charts import Chart, Trace, build_charts
from workbench.plots.figures import Marker, draw_history
from workbench.plots.recordings import draw_recording, draw_recordings
from workbench.plots.rows import select_rows

__all__ = [
    "Chart",
    "Marker",
    "Trace",
    "build_charts",
    "draw_history",
    "draw_recording",
    "draw_recordings",
    "select_rows",
]
