"""Results as tables, and tables as Plotly figures."""

from workbench.plots.charts import Chart, ChartLine, build_charts, select_rows
from workbench.plots.figures import Marker, draw_history, draw_session
from workbench.plots.heap_figures import draw_heap
from workbench.plots.live_figures import draw_blocks, draw_trials
from workbench.plots.result_figures import (
    draw_effects,
    draw_front,
    draw_heat_map,
    draw_parallel,
    draw_ratios,
    draw_study,
    find_effects,
    find_heat_map,
    follow_study,
    join_rounds,
    list_settings,
)
from workbench.plots.trace_figures import (
    draw_lifetimes,
    draw_lifetimes_by_size,
    draw_live,
    draw_phases,
    draw_reallocs,
    draw_sites,
    draw_sizes,
    draw_threads,
)
from workbench.plots.whatif_figures import draw_whatif

__all__ = [
    "Chart",
    "ChartLine",
    "Marker",
    "build_charts",
    "draw_blocks",
    "draw_effects",
    "draw_front",
    "draw_heap",
    "draw_heat_map",
    "draw_history",
    "draw_lifetimes",
    "draw_lifetimes_by_size",
    "draw_live",
    "draw_parallel",
    "draw_phases",
    "draw_ratios",
    "draw_reallocs",
    "draw_session",
    "draw_sites",
    "draw_sizes",
    "draw_study",
    "draw_threads",
    "draw_trials",
    "draw_whatif",
    "find_effects",
    "find_heat_map",
    "follow_study",
    "join_rounds",
    "list_settings",
    "select_rows",
]
