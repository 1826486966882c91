"""A study's candidates, and where they are kept: in any database that Optuna knows, SQLite by default."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import make_url

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.errors import WrongResults
from workbench.experiments import Ratio
from workbench.plain_values import canonical_json
from workbench.tuning.plan import StudyPlan

#: Number of the defaults where that of a candidate stands.
DEFAULTS = -1
_FINISHED = ("better", "not better", "pruned", "dominated", "failed", "repeated")
_PLAN = "plan"
_MAXIMIZE, _MINIMIZE = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
_SEED_BYTES = 4
_PATIENCE_S = 60


@dataclass(frozen=True)
class Candidate:
    """Settings that were tried, or are being tried.

    Parameters
    ----------
    number : int
        From 0 on, in the order in which they were asked for.
    outcome : str
        "queued", "running"; "better" (than what it ran against), "not better", "pruned" (cannot beat it),
        "dominated" (stopped: cannot reach the front), "failed", "repeated" (tried before).
    reason : str
        Why it failed, or what it repeats.
    against : int
        Number of the candidate that it ran in pairs with; `DEFAULTS` for the defaults.
    pairs : int
        That count.
    ratios : tuple of (float, float, float)
        To that one: estimate and 95 % interval, an objective each.
    values : tuple of float
        To the defaults, an objective each, carried over from what it ran against; empty without pairs.
    is_injected : bool
        Whether somebody gave it.
    """

    number: int
    settings: Mapping[str, Value]
    outcome: str
    reason: str = ""
    against: int = DEFAULTS
    pairs: int = 0
    ratios: tuple[tuple[float, float, float], ...] = ()
    values: tuple[float, ...] = ()
    is_injected: bool = False
    owner: str = field(default="", repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is done about it."""
        return self.outcome in _FINISHED

    @property
    def name(self) -> str:
        """Write "trial 7"."""
        return name_candidate(self.number)


def name_candidate(number: int) -> str:
    """Write "trial 7", or "defaults"."""
    return "defaults" if number == DEFAULTS else f"trial {number}"


def keep(trial: optuna.trial.Trial, **fields: object) -> None:
    """Keep fields of a candidate, under their names, beside what Optuna keeps of its trial."""
    for name, value in fields.items():
        trial.set_user_attr(name, value)


def keep_ratios(trial: optuna.trial.Trial, ratios: tuple[Ratio, ...]) -> None:
    """Keep ratios; where an interval has no end, it is the largest number that JSON has."""
    kept = [
        {"estimate": one.estimate, "low": one.low, "high": min(one.high, 1e300), "pairs": one.pairs}
        for one in ratios
        if one.pairs
    ]
    keep(trial, ratios=kept)


def read_candidate(frozen: optuna.trial.FrozenTrial) -> Candidate:
    """The candidate that a trial of Optuna's is."""
    kept: dict[str, Any] = {"settings": {}, "outcome": "failed"} | frozen.user_attrs
    ratios = kept.pop("ratios", [])
    told = kept | {
        "outcome": {"WAITING": "queued", "RUNNING": "running"}.get(frozen.state.name, kept["outcome"]),
        "values": tuple(kept.get("values", ())),
        "ratios": tuple((one["estimate"], one["low"], one["high"]) for one in ratios),
    }
    return Candidate(frozen.number, pairs=max((one["pairs"] for one in ratios), default=0), **told)


def format_settings(settings: Mapping[str, Value], allocator: str) -> str:
    """Write settings of an allocator with their units: "NAME=60 %, NAME=512 slots"."""
    known = get_allocator(allocator).tunables
    return ", ".join(f"{name}={known[name].format(value)}" for name, value in settings.items())


def require_study(url: str, name: str) -> None:
    """See that a study is in a database, and make neither; WrongResults if it is not."""
    with tell_storage(url):
        parsed = make_url(url)
        file = (parsed.database or "").removeprefix("file:").partition("?")[0]
        is_there = False
        # To connect to a SQLite file that is missing is to make it.
        if parsed.get_backend_name() != "sqlite" or Path(file).is_file():
            engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
            with engine.connect() as connection:
                query = sqlalchemy.text("SELECT 1 FROM studies WHERE study_name = :name")
                has_studies = sqlalchemy.inspect(connection).has_table("studies")
                is_there = has_studies and connection.execute(query, {"name": name}).first() is not None
    if not is_there:
        raise WrongResults(f"{describe_url(url)}: there is no study '{name}'; `workbench tune` begins one")


def open_study(url: str, plan: StudyPlan) -> optuna.study.Study:
    """Open a study in a database, or make it there; WrongResults if the study there is of another plan."""
    directions = [_MAXIMIZE if measure.is_higher_better else _MINIMIZE for measure in plan.measures]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tell_storage(url):
        # Who else writes holds a SQLite file for moments, or longer on a disk that is busy.
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        options = {"connect_args": {"timeout": _PATIENCE_S}} if is_sqlite else {}
        storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
        study = optuna.create_study(
            storage=storage,
            study_name=plan.name,
            directions=directions,
            sampler=make_sampler(0, 0),
            load_if_exists=True,
        )
        text = canonical_json(plan.to_dict())
        kept = study.user_attrs.get(_PLAN)
        if kept is None and not study.trials:
            study.set_user_attr(_PLAN, text)
        elif kept != text or study.directions != directions:
            raise WrongResults(
                f"{describe_url(url)}: study '{plan.name}' there is of another plan; take back what was "
                "changed in the file, or give the study another name"
            )
    return study


@contextlib.contextmanager
def tell_storage(url: str) -> Iterator[None]:
    """Turn what a database complains of into a WrongResults of one line, without its password."""
    try:
        yield
    except sqlalchemy.exc.ArgumentError:
        raise WrongResults(
            f"storage: '{describe_url(url)}' is no URL of a database, such as sqlite:///study.db"
        ) from None
    except ImportError:
        raise WrongResults(
            f"storage: {describe_url(url)}: the driver of this database is missing; pip install it"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        cause: Exception = error
        while isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        reason = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise WrongResults(f"storage: {describe_url(url)}: {reason}") from None


def describe_url(url: str) -> str:
    """The URL without its password; of a SQLite file its path."""
    try:
        parsed = make_url(url)
    except sqlalchemy.exc.ArgumentError:
        return url[:40]
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return parsed.database
    return parsed.render_as_string(hide_password=True)


def make_sampler(seed: int, number: int, startup: int = 10) -> optuna.samplers.BaseSampler:
    """The sampler of one candidate: the same for the same history, also after a restart.

    The first `startup` candidates are drawn by chance.
    """
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return optuna.samplers.TPESampler(
        seed=int.from_bytes(digest[:_SEED_BYTES], "big"),
        n_startup_trials=startup,
        multivariate=False,
        constant_liar=True,
    )
