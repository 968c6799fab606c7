"""Options that several commands share: what to check, and where to give up."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from modelcheck.explore.choose import AUTO, Paranoid
from modelcheck.explore.compiled.saving import CheckpointError, has_checkpoint
from modelcheck.explore.engine import ENGINES
from modelcheck.explore.verdict import Limits, Request, Saving, UnsupportedError
from modelcheck.formats.files import check_writable
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.suite import Semantics
from modelcheck.questions.check import Overrides

Callback = Callable[..., Any]


def overrides_options(command: Callback) -> Callback:
    """Give a command the options that choose variants and settings, as `overrides`."""

    @click.option("--variant", "variants", multiple=True, help="Only this variant (repeatable).")
    @click.option("--cpus", type=int, help="CPUs that run the site, besides the patcher's own.")
    @click.option("--fetch", multiple=True, help=f"Fetch model (repeatable): {', '.join(MODELS)}.")
    @click.option("--chunk", type=int, help="Bytes fetched in one atomic read, a power of two.")
    @click.option("--offset", type=int, help="Where the first site begins in its line, 0 to 63.")
    @click.option(
        "--semantics", type=click.Choice(get_args(Semantics)), help="How fetches are modelled."
    )
    @click.option(
        "--property", "properties", multiple=True, help="Watch only this property (repeatable)."
    )
    @wraps(command)
    def with_overrides(
        *arguments: Any,
        variants: tuple[str, ...],
        cpus: int | None,
        fetch: tuple[str, ...],
        chunk: int | None,
        offset: int | None,
        semantics: Semantics | None,
        properties: tuple[str, ...],
        **others: Any,
    ) -> Any:
        overrides = Overrides(variants, cpus, fetch, chunk, offset, semantics, properties)
        return command(*arguments, overrides=overrides, **others)

    return with_overrides


def limits_options(command: Callback) -> Callback:
    """Give a command the options that end a search, as `limits`."""

    @click.option("--max-states", type=click.IntRange(1), help="Give up beyond this many states.")
    @click.option(
        "--max-seconds",
        type=click.FloatRange(0),
        help="Give up after this, for each verdict; ablate and repair: for each variant.",
    )
    @click.option("--max-memory", type=click.IntRange(1), help="Give up beyond this many MiB.")
    @wraps(command)
    def with_limits(
        *arguments: Any,
        max_states: int | None,
        max_seconds: float | None,
        max_memory: int | None,
        **others: Any,
    ) -> Any:
        limits = Limits(max_states, max_seconds, max_memory)
        return command(*arguments, limits=limits, **others)

    return with_limits


def engine_options(command: Callback) -> Callback:
    """Give a command the options that choose an engine, as `engine` and `request`."""
    folder = click.Path(path_type=Path, file_okay=False)

    @click.option(
        "--engine",
        "--explorer",
        "name",
        type=click.Choice((AUTO.name, *ENGINES)),
        default=AUTO.name,
        show_default=True,
        help="Who searches: plain Python, compiled code, or compiled code that counts states up "
        "to a permutation of CPUs. auto goes by size.",
    )
    @click.option(
        "--threads", type=click.IntRange(1), help="Threads of the compiled engines; all cores."
    )
    @click.option("--paranoid", is_flag=True, help="Answer twice, by unlike engines, and compare.")
    @click.option(
        "--checkpoint",
        type=folder,
        help="Save the compiled engines' searches here now and then; a folder for each.",
    )
    @click.option("--resume", type=folder, help="Go on from the checkpoints saved here.")
    @click.option(
        "--spill", type=folder, help="Keep states in files here, for searches beyond the memory."
    )
    @wraps(command)
    def with_engine(
        *arguments: Any,
        name: str,
        threads: int | None,
        paranoid: bool,
        checkpoint: Path | None,
        resume: Path | None,
        spill: Path | None,
        **others: Any,
    ) -> Any:
        if checkpoint is not None and resume is not None:
            raise click.UsageError(
                "--resume goes on saving where it resumes from; leave out --checkpoint"
            )
        engine = ENGINES.get(name, AUTO)
        kept = checkpoint or resume
        saving = Saving(kept, resume=resume is not None) if kept else None
        request = Request(threads=threads, saving=saving, spill=spill)
        try:
            request.only(engine.takes, engine.name)
        except UnsupportedError as error:
            raise click.UsageError(f"{error} with --engine") from None
        if resume is not None and not any(map(has_checkpoint, resume.glob("*"))):
            raise CheckpointError(f"{resume}: there are no checkpoints here; see --checkpoint")
        for place in (checkpoint, spill):
            if place is not None:
                check_writable(place)
                place.mkdir(parents=True, exist_ok=True)
        engine = Paranoid(engine) if paranoid else engine
        return command(*arguments, engine=engine, request=request, **others)

    return with_engine
