"""Running what there is to check: one spec here, or many in processes of their own."""

import multiprocessing
import os
import signal
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from modelcheck.cli.group import err
from modelcheck.explore.engine import Engine
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
    """The results of a spec, of as many as were planned; or why it cannot be checked."""

    spec: Path
    planned: int = 0
    results: list[Result] = field(default_factory=list)
    error: str | None = None


def run_spec(spec: Path, settings: Settings) -> SpecRun:
    """Run all jobs of a spec in turn. Ctrl-C drops the rest; raises SpecError."""
    spec_file = SpecFile(spec.as_posix(), file_digest(spec))
    todo = list(jobs(load_suites(spec), settings.overrides))
    run = SpecRun(spec, len(todo))
    for job in todo:
        what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
        with progress_line(err, what) as watcher:
            try:
                run.results.append(_decide(job, spec_file, settings, watcher))
            except KeyboardInterrupt:
                break
        if run.results and run.results[-1].reason == INTERRUPTED:
            break
    return run


def _decide(job: Job, spec_file: SpecFile, settings: Settings, watcher: Watcher | None) -> Result:
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
    if result.verdict is Verdict.VIOLATED or result.reason == INTERRUPTED:
        return result
    if settings.witness and result.verdict is Verdict.SAFE:
        found = witness(job.subject, job.variant, spec_file, request.limits, watcher)
        result = replace(result, witness=found)
    del kept
    proved = safe_for_any_number(job.subject, request.limits, watcher)
    return replace(result, any_number=proved)


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
    finished: dict[Path, SpecRun] = {spec: SpecRun(spec, planned=1) for spec in specs}
    context = multiprocessing.get_context("spawn")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress,
        context.Pool(processes, _as_worker) as pool,
    ):
        task = progress.add_task("specs", total=len(specs))
        try:
            for run in pool.imap_unordered(partial(_run_or_explain, settings=settings), specs):
                finished[run.spec] = run
                progress.advance(task)
        except KeyboardInterrupt:
            pool.terminate()
    return [finished[spec] for spec in specs]


def _as_worker() -> None:
    """The parent shows progress, and takes Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    err.quiet = True


def _run_or_explain(spec: Path, settings: Settings) -> SpecRun:
    try:
        return run_spec(spec, settings)
    except SpecError as error:
        return SpecRun(spec, error=str(error))
