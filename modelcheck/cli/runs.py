"""Running what there is to check: one spec here, or many in processes of their own."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from modelcheck.cli.ending import Ending, ending
from modelcheck.cli.group import INTERNAL, err
from modelcheck.explore.engine import Engine
from modelcheck.explore.pulse import time_limit
from modelcheck.explore.verdict import INTERRUPTED, Request, Verdict, Watcher
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.errors import SpecError
from modelcheck.questions.check import Job, Overrides, Result, check, jobs
from modelcheck.questions.prove import safe_for_any_number
from modelcheck.questions.witness import witness
from modelcheck.trace.record import SpecFile
from modelcheck.trace.stale import file_digest
from modelcheck.views.progress import progress_line


@dataclass(frozen=True)
class Settings:
    """What to check of each spec, and how."""

    overrides: Overrides
    engine: Engine
    request: Request
    witness: bool = False


@dataclass
class SpecRun:
    """The results of a spec, of as many as were planned; `end` is what kept the others away."""

    spec: Path
    planned: int = 0
    results: list[Result] = field(default_factory=list)
    end: Ending | None = None


def run_spec(spec: Path, settings: Settings) -> SpecRun:
    """Run all jobs of a spec in turn. What goes wrong, or Ctrl-C, leaves the results before it."""
    run = SpecRun(spec)
    try:
        spec_file = SpecFile(spec.as_posix(), file_digest(spec))
        todo = list(jobs(load_suites(spec), settings.overrides))
        run.planned = len(todo)
        for job in todo:
            what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
            with progress_line(err, what) as watcher, time_limit(settings.request.limits.seconds):
                _decide(job, run, spec_file, settings, watcher)
            if run.results[-1].reason == INTERRUPTED:
                raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt) as error:
        run.end = ending(error).about(spec)
    return run


def _decide(
    job: Job, run: SpecRun, spec_file: SpecFile, settings: Settings, watcher: Watcher | None
) -> None:
    """Check a job and, if it is not violated, try to prove it for any number of CPUs.

    A witness is looked for only if it is safe.
    """
    request = replace(settings.request, watcher=watcher)
    # A witness goes by what the search has met, which is forgotten with the system.
    kept = job.subject.system if settings.witness else None
    result = check(
        job,
        spec=spec_file.path,
        spec_digest=spec_file.digest,
        engine=settings.engine,
        request=request,
    )
    run.results.append(result)
    if result.verdict is Verdict.VIOLATED or result.reason == INTERRUPTED:
        return
    if settings.witness and result.verdict is Verdict.SAFE:
        found = witness(job.subject, job.variant, spec_file, request.limits, watcher)
        result = replace(result, witness=found)
        run.results[-1] = result
    del kept
    proved = safe_for_any_number(job.subject, request.limits, watcher)
    run.results[-1] = replace(result, any_number=proved)


def specs_in(folder: Path) -> list[Path]:
    """The spec files of a folder and the folders in it. Raises SpecError if there is none."""
    found = sorted(path for path in folder.rglob("*.py") if not path.name.startswith("_"))
    if not found:
        raise SpecError(f"{folder}: no spec files here; their names end in .py")
    return found


def run_specs(specs: list[Path], settings: Settings, processes: int | None) -> list[SpecRun]:
    """Run many specs side by side. Ctrl-C keeps those that have finished."""
    processes = min(processes or os.cpu_count() or 1, len(specs))
    if processes > 1 and settings.request.threads is None:
        settings = replace(settings, request=replace(settings.request, threads=1))
    finished: dict[Path, SpecRun] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    end = Ending("its process was ended, or one beside it: killed, or out of memory", INTERNAL)
    with (
        Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress,
        ProcessPoolExecutor(processes, get_context("spawn"), _as_worker) as pool,
    ):
        task = progress.add_task("specs", total=len(specs))
        try:
            with _deaf():
                waiting = {pool.submit(run_spec, spec, settings): spec for spec in specs}
            for future in as_completed(waiting):
                with suppress(BrokenProcessPool):
                    finished[waiting[future]] = future.result()
                progress.advance(task)
        except KeyboardInterrupt as stop:
            end = ending(stop)
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
    return [finished.get(spec, SpecRun(spec, 1, end=end.about(spec))) for spec in specs]


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes begun within never hear Ctrl-C, not even while they begin: it is their parent's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _as_worker() -> None:
    """The parent shows progress, and takes Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    err.quiet = True
