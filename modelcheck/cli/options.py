"""Options that several commands share: what to check, and where to give up."""

from collections.abc import Callable
from functools import wraps
from typing import Any, get_args

import click

from modelcheck.check import Overrides
from modelcheck.explore.verdict import Limits
from modelcheck.machine.fetch import MODELS
from modelcheck.protocol.suite import Semantics

Command = Callable[..., Any]


def overrides_options(command: Command) -> Command:
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


def limits_options(command: Command) -> Command:
    """Give a command the options that end a search, as `limits`."""

    @click.option("--max-states", type=click.IntRange(1), help="Give up beyond this many states.")
    @click.option("--max-seconds", type=click.FloatRange(0), help="Give up after this, per run.")
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
