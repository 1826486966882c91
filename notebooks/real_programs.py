"""Questions to the allocator that a program has, each with an experiment, for 09_tune_the_allocator_you_have.

Settings are chosen on one program, and judged on another that had no part in the choice.
"""

from __future__ import annotations

import random
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.control import Value
from workbench.experiments import (
    Comparison,
    ComparisonPlan,
    Finding,
    Results,
    Run,
    Variant,
    Work,
    describe_verdict,
    find_measure,
    format_ratio,
    run_comparison,
)
from workbench.processes.server import Server
from workbench.units import GIB, KIB, MIB

AS_IT_IS = "as it is"
_PROGRAMS = Path(__file__).parent / "programs"
_COLORS = {"better": "#2a9d8f", "worse": "#c9506a"}
_UNDECIDED = "#7d8b99"
_TIME = "processor time"


@dataclass(frozen=True)
class Question:
    """What a setting may bring: candidates are compared on one program, the best is judged on another.

    Parameters
    ----------
    asks : str
    allocator : str
    measure : str
        What is to become less; a name of `workbench.experiments.MEASURES`.
    chosen_on, judged_on : str
        Names of works.
    candidates : mapping of str to mapping of str to Value
        Values of the allocator's tunables, by a name for them.
    """

    asks: str
    allocator: str
    measure: str
    chosen_on: str
    judged_on: str
    candidates: Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True)
class Answer:
    """What was found: all candidates on one program, the chosen one on the other; hakmem beside them."""

    question: Question
    candidates: Comparison
    chosen: str | None
    judged: Comparison

    def to_frame(self) -> pd.DataFrame:
        """A row a program, variant and measure: medians, and the ratio to the allocator as it is."""
        frame = pd.concat(
            {"chosen on": self.candidates.to_frame(), "judged on": self.judged.to_frame()},
            names=["step", None],
        ).reset_index("step")
        frame = frame[frame["measure"].isin({self.question.measure, _TIME})]
        return frame.drop(columns=["pairs"]).rename(columns={"baseline_value": AS_IT_IS})

    @property
    def is_confirmed(self) -> bool:
        """Whether the chosen setting is better on the program that had no part in the choice."""
        return self.chosen is not None and self._find_judged(self.question.measure).ratio.verdict == "better"

    def summarize(self) -> dict[str, str | float | None]:
        """One row of a table: what was chosen, and what it brought on the other program."""
        row: dict[str, str | float | None] = {
            "question": self.question.asks,
            "chosen": self.chosen or "nothing",
            "judged on": self.question.judged_on,
            "measure": self.question.measure,
        }
        if self.chosen is not None:
            found, time = self._find_judged(self.question.measure), self._find_judged(_TIME)
            row |= {"ratio": found.ratio.estimate, "low": found.ratio.low, "high": found.ratio.high}
            row |= {"verdict": describe_verdict(found.ratio), f"ratio of {_TIME}": time.ratio.estimate}
        return row

    def describe(self) -> str:
        """The answer in a sentence."""
        question = self.question
        if self.chosen is None:
            return f"No candidate is better on {question.chosen_on}: keep the defaults."
        told = [
            f"{name} {format_ratio(found.ratio)}, {describe_verdict(found.ratio)}"
            for name in dict.fromkeys((question.measure, _TIME))
            for found in [self._find_judged(name)]
        ]
        return f"Chosen: {self.chosen}. On {question.judged_on}: {'; '.join(told)}."

    def _find_judged(self, measure: str) -> Finding:
        assert self.chosen is not None
        return self.judged.find(self.question.judged_on, self.chosen, find_measure(measure))


def try_question(
    question: Question, works: Mapping[str, Work], rounds: int, folder: str, most_time: float
) -> Answer:
    """Run what is missing in the folder, and tell what was found; 8 rounds are the fewest that tell."""
    candidates = _compare(
        question, works[question.chosen_on], question.candidates, rounds, f"{folder}/candidates"
    )
    chosen = _choose(question, candidates, most_time)
    kept = {} if chosen is None else {chosen: question.candidates[chosen]}
    judged = _compare(question, works[question.judged_on], kept, rounds, f"{folder}/judged")
    return Answer(question, candidates, chosen, judged)


def _compare(
    question: Question, work: Work, candidates: Mapping[str, Mapping[str, Value]], rounds: int, folder: str
) -> Comparison:
    variants = [Variant(name, question.allocator, values) for name, values in candidates.items()]
    plan = ComparisonPlan(
        (work,), (Variant(AS_IT_IS, question.allocator), *variants, Variant("hakmem")), rounds
    )
    return run_comparison(plan, Results.open(folder))


def _choose(question: Question, comparison: Comparison, most_time: float) -> str | None:
    """The candidate with the least of the measure among those that are told better and fast enough."""
    found = comparison.to_frame().pivot(index="variant", columns="measure").loc[list(question.candidates)]
    is_fit = (found["verdict", question.measure] == "better") & (found["ratio", _TIME] <= most_time)
    ratios = found.loc[is_fit, ("ratio", question.measure)]
    return None if ratios.empty else str(ratios.idxmin())


def draw_answer(answer: Answer) -> go.Figure:
    """Ratios to the allocator as it is with their 95 % intervals: a row a program, a column a measure."""
    question = answer.question
    measures = list(dict.fromkeys((question.measure, _TIME)))
    steps = {
        f"chosen on {question.chosen_on}": answer.candidates,
        f"judged on {question.judged_on}": answer.judged,
    }
    figure = make_subplots(
        rows=2,
        cols=len(measures),
        shared_yaxes=True,
        row_heights=[len(one.plan.variants) for one in steps.values()],
        subplot_titles=[f"{measure}, {step}" for step in steps for measure in measures],
    )
    for row, comparison in enumerate(steps.values(), start=1):
        for column, measure in enumerate(measures, start=1):
            found = [one for one in comparison.findings if one.measure.name == measure and one.ratio.pairs][
                ::-1
            ]
            ratios = [one.ratio for one in found]
            has_interval = all(ratio.low > 0 for ratio in ratios)
            figure.add_scatter(
                x=[ratio.estimate for ratio in ratios],
                y=[one.variant for one in found],
                error_x={
                    "type": "data",
                    "array": [ratio.high - ratio.estimate for ratio in ratios],
                    "arrayminus": [ratio.estimate - ratio.low for ratio in ratios],
                }
                if has_interval
                else None,
                mode="markers",
                marker={"size": 9, "color": [_COLORS.get(ratio.verdict, _UNDECIDED) for ratio in ratios]},
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
                row=row,
                col=column,
            )
            figure.add_vline(x=1, line={"color": "#444444", "width": 1}, row=row, col=column)
    lines = sum(len(one.plan.variants) for one in steps.values())
    figure.update_xaxes(title_text=f"ratio to {question.allocator} as it is; less is better", row=2)
    figure.update_yaxes(automargin=True)
    return figure.update_layout(
        title=question.asks, template="plotly_white", showlegend=False, height=200 + 34 * lines
    )


def list_questions() -> dict[str, Question]:
    """All of them by name, with candidates that the allocators' own documents name."""
    memory, small, large = "mean resident", 128 * KIB, GIB
    service, redis, perl = "Python service", "Redis", "Perl jobs, 8 threads"
    sqlite, git = "SQLite in memory", "git, 8 threads"
    kept = {"M_TRIM_THRESHOLD": large, "M_TOP_PAD": 64 * MIB}
    return {
        "glibc arenas": Question(
            "glibc: do fewer arenas make a program with threads smaller?",
            "glibc",
            memory,
            service,
            perl,
            {f"arena_max={count}": {"arena_max": count} for count in (1, 2, 4)},
        ),
        "glibc trim": Question(
            "glibc: does memory come back with fixed thresholds?",
            "glibc",
            memory,
            service,
            perl,
            {
                "trim at 128 KiB": {"M_TRIM_THRESHOLD": small},
                "trim and map at 128 KiB": {"M_TRIM_THRESHOLD": small, "M_MMAP_THRESHOLD": small},
            },
        ),
        "glibc growth": Question(
            "glibc: is a heap faster that grows by large steps and keeps what it has?",
            "glibc",
            _TIME,
            sqlite,
            perl,
            {"grow by 64 MiB, never trim": kept, "the same, and map nothing": kept | {"M_MMAP_MAX": 0}},
        ),
        "jemalloc decay": Question(
            "jemalloc: how much memory does a shorter decay time give back?",
            "jemalloc",
            memory,
            service,
            redis,
            {f"decay of {ms} ms": _decay(ms) for ms in (0, 100, 1000)}
            | {"1000 ms, background threads": _decay(1000) | {"background_thread": True}},
        ),
        "jemalloc speed": Question(
            "jemalloc: is it faster if it keeps its pages?",
            "jemalloc",
            _TIME,
            sqlite,
            git,
            {
                "never decay": _decay(-1),
                "never decay, larger caches": _decay(-1) | {"opt.tcache_max": 8 * MIB},
            },
        ),
        "tcmalloc caches": Question(
            "tcmalloc: do larger caches make many threads faster?",
            "tcmalloc",
            _TIME,
            perl,
            git,
            {
                f"{size // MIB or 0.5:g} MiB of caches": {"tcmalloc.max_total_thread_cache_bytes": size}
                for size in (MIB // 2, 4 * MIB, 256 * MIB)
            },
        ),
        "mimalloc purge": Question(
            "mimalloc 3: what does an earlier purge give back?",
            "mimalloc3",
            memory,
            service,
            redis,
            {f"purge after {ms} ms": {"purge_delay": ms} for ms in (0, 10, 100)},
        ),
        "mimalloc speed": Question(
            "mimalloc 3: is it faster if it never purges?",
            "mimalloc3",
            _TIME,
            sqlite,
            perl,
            {"never purge": {"purge_delay": -1}},
        ),
    }


def _decay(ms: int) -> dict[str, Value]:
    return {"arena.i.dirty_decay_ms": ms, "arenas.dirty_decay_ms": ms}


def list_works(folder: str, size: float = 1.0) -> dict[str, Work]:
    """Real programs by name; at size 1 each runs for about a second."""
    repository = _make_history(Path(folder).absolute() / "history", commits=max(20, round(1500 * size)))
    bursts, visitors = max(1, round(2 * size)), max(2, round(12 * size))
    entries, rows = round(6000 * size), round(250_000 * size)

    def work(
        name: str, command: str, reads: str = "", folder: Path | None = None, server: Server | None = None
    ) -> Work:
        inputs = (_PROGRAMS / reads,) if reads else ()
        command_words = tuple(shlex.split(command))
        return Work(name, Run(name, command=command_words, inputs=inputs, folder=folder, server=server))

    redis = Server(
        command=("redis-server", "--port", "0", "--unixsocket", "socket", "--save", ""),
        ready=("redis-cli", "-s", "socket", "ping"),
    )
    load = f"sh redis_load.sh {bursts} {max(20, round(20_000 * size))}"
    works = (
        work("Redis", load, "redis_load.sh", server=redis),
        work("Python service", f"python3 web_service.py {bursts} {visitors} 1", "web_service.py"),
        work("Perl jobs, 8 threads", f"perl jobs.pl {bursts} 8 {entries} 1", "jobs.pl"),
        work(
            "SQLite in memory", f"sqlite3 :memory: '.param set $rows {rows}' '.read orders.sql'", "orders.sql"
        ),
        work("git, 8 threads", "git -c pack.threads=8 repack -adfq --window=20", folder=repository),
    )
    return {one.name: one for one in works}


def _make_history(folder: Path, commits: int) -> Path:
    """A repository of so many commits, each of which changes some lines of a few files; always the same."""
    if (folder / "HEAD").exists():
        return folder
    order = random.Random(7)
    files = [[_write_line(order) for _ in range(order.randint(10, 130))] for _ in range(300)]
    stream = []
    for commit in range(commits):
        message = f"Change {commit}"
        stream += ["commit refs/heads/main", f"committer Author <author@example.org> {commit} +0000"]
        stream += [f"data {len(message)}", message]
        for number in range(len(files)) if commit == 0 else order.sample(range(len(files)), 4):
            lines = files[number]
            for _ in range(5):
                lines[order.randrange(len(lines))] = _write_line(order)
            text = "\n".join(lines)
            stream += [f"M 100644 inline folder{number % 7}/file{number}.txt", f"data {len(text)}", text]
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(unfinished)], check=True)
    subprocess.run(
        ["git", "-C", str(unfinished), "fast-import", "--quiet"], input="\n".join(stream).encode(), check=True
    )
    unfinished.rename(folder)
    return folder


def _write_line(order: random.Random) -> str:
    return " ".join(f"word{order.randrange(900)}" for _ in range(order.randint(3, 11)))
