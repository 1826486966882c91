"""Measure runs, compare variants in rounds, and sweep settings."""

from workbench.experiments.cluster import check_address
from workbench.experiments.comparison import (
    ALL_WORKS,
    Comparison,
    Finding,
    conclude,
    describe_verdict,
    format_ratio,
    run_comparison,
)
from workbench.experiments.comparison_plan import Cell, ComparisonPlan, Variant, Work
from workbench.experiments.execution import Measurer, run_sweep
from workbench.experiments.inference import Ratio, compare_pairs, spend_risk
from workbench.experiments.live_result import JudgedProbe, LivePlan, LiveResult, TimeBlock
from workbench.experiments.measurement import measure_run
from workbench.experiments.measures import (
    MEASURES,
    PEAK_RESIDENT,
    PROCESSOR_TIME,
    THROUGHPUT,
    Measure,
    find_measure,
)
from workbench.experiments.plan import Plan, Span
from workbench.experiments.plan_file import read_comparison_plan, read_sweep_plan
from workbench.experiments.result import Result
from workbench.experiments.result_set import Results
from workbench.experiments.switchback import Design, Effect
from workbench.processes.machine import Machine, Software, describe_machine, describe_software
from workbench.processes.runs import Run, Step

__all__ = [
    "ALL_WORKS",
    "MEASURES",
    "PEAK_RESIDENT",
    "PROCESSOR_TIME",
    "THROUGHPUT",
    "Cell",
    "Comparison",
    "ComparisonPlan",
    "Design",
    "Effect",
    "Finding",
    "JudgedProbe",
    "LivePlan",
    "LiveResult",
    "Machine",
    "Measure",
    "Measurer",
    "Plan",
    "Ratio",
    "Result",
    "Results",
    "Run",
    "Software",
    "Span",
    "Step",
    "TimeBlock",
    "Variant",
    "Work",
    "check_address",
    "compare_pairs",
    "conclude",
    "describe_machine",
    "describe_software",
    "describe_verdict",
    "find_measure",
    "format_ratio",
    "measure_run",
    "read_comparison_plan",
    "read_sweep_plan",
    "run_comparison",
    "run_sweep",
    "spend_risk",
]
