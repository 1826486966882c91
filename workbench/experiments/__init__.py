"""Trials, their results, and what can be concluded from them."""

from workbench.experiments.measurement import run_trial
from workbench.experiments.provenance import Machine, Software, describe_machine, describe_software
from workbench.experiments.result import TrialResult
from workbench.experiments.result_set import Results
from workbench.experiments.trial import Step, Trial

__all__ = [
    "Machine",
    "Results",
    "Software",
    "Step",
    "Trial",
    "TrialResult",
    "describe_machine",
    "describe_software",
    "run_trial",
]
