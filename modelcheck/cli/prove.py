"""The commands about proofs for any number of CPUs: prove and certify."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
from rich.text import Text

from modelcheck.certificate.certify import certify
from modelcheck.certificate.invariant import CertificateError
from modelcheck.cli.ending import Ending, ending
from modelcheck.cli.group import (
    INTERRUPTED_EARLY,
    MINIMUM_WIDTH,
    cli,
    err,
    exit_code,
    out,
)
from modelcheck.cli.options import limits_options, overrides_options
from modelcheck.explore.verdict import Limits
from modelcheck.formats.files import OutputError, check_writable, write_text
from modelcheck.frontends.spec_files import load_suites
from modelcheck.machine.setup import Setup
from modelcheck.naive import certifier
from modelcheck.naive.reading import UnknownError
from modelcheck.questions.any_bytes import ForAllBytes, for_all_bytes
from modelcheck.questions.check import Job, Overrides, jobs
from modelcheck.questions.prove import MOST_LIVE, Proof, prove
from modelcheck.views import all_bytes as all_bytes_view
from modelcheck.views import proofs as view
from modelcheck.views.comparison import place
from modelcheck.views.progress import progress_line


@cli.command("prove")
@click.argument("spec", type=click.Path(path_type=Path))
@overrides_options
@limits_options
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    help="Write the certificates to this folder, in a folder for each spec.",
)
@click.option(
    "--any-bytes",
    is_flag=True,
    help="Decide for all instructions of the site's length whether CPUs can execute torn bytes.",
)
def prove_command(
    spec: Path, overrides: Overrides, limits: Limits, folder: Path | None, any_bytes: bool
) -> None:
    """Decide each variant for every number of CPUs at once.

    A proof is an inductive invariant, found automatically and confirmed by Z3. Where there is
    none, the fewest CPUs that show a violation are looked for.
    """
    if any_bytes:
        _prove_any_bytes(spec, overrides, limits)
    if folder is not None:
        folder = folder / spec.stem
        check_writable(folder)
    todo = list(jobs(load_suites(spec), overrides))
    proofs, end = _each(todo, partial(prove, spec=spec.as_posix(), limits=limits))
    failure: OutputError | None = None
    if folder is not None:
        try:
            for proof in proofs:
                _write(folder, proof, one_model=len(overrides.fetch) == 1)
        except OutputError as error:
            failure = error
    out.width = max(out.width, MINIMUM_WIDTH)
    out.print(view.render(spec.as_posix(), proofs, folder))
    if failure is not None:
        raise failure
    sys.exit(_exit_code(proofs, len(todo), end))


ProofT = TypeVar("ProofT", Proof, ForAllBytes)


def _each(todo: list[Job], answer: Callable[..., ProofT]) -> tuple[list[ProofT], Ending | None]:
    """Answer for the jobs in turn; what goes wrong, or Ctrl-C, leaves the answers before it."""
    found: list[ProofT] = []
    try:
        for job in todo:
            what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
            with progress_line(err, what) as watcher:
                found.append(answer(job, watcher=watcher))
            if found[-1].interrupted:
                raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt) as error:
        if not found:
            raise
        return found, ending(error)
    return found, None


def _write(folder: Path, proof: Proof, *, one_model: bool) -> None:
    """Keep a certificate, named as counterexamples are, and for each fetch model."""
    model = "" if one_model else f".{proof.job.configuration.fetch}"
    if proof.certificate is not None:
        write_text(folder / f"{proof.job.name}{model}.smt2", proof.certificate)


def _prove_any_bytes(spec: Path, overrides: Overrides, limits: Limits) -> None:
    todo = list(jobs(load_suites(spec), overrides))
    found, end = _each(todo, partial(for_all_bytes, spec=spec.as_posix(), limits=limits))
    out.width = max(out.width, MINIMUM_WIDTH)
    out.print(all_bytes_view.render(spec.as_posix(), found))
    sys.exit(_exit_code(found, len(todo), end))


def _exit_code(found: Sequence[Proof | ForAllBytes], planned: int, end: Ending | None) -> int:
    if end is not None and end.tell() != INTERRUPTED_EARLY:
        return end.code
    return exit_code(found, planned, interrupted=end is not None)


@cli.command("certify")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@click.option(
    "--independent",
    is_flag=True,
    help="Check it once more by a second machine and all solvers that are installed.",
)
def certify_command(file: Path, spec: Path | None, *, independent: bool) -> None:
    """Have Z3 check the obligations of a certificate, and that it is about a variant of SPEC.

    Nothing in the file is trusted or run: all of it but the invariant is written anew from the
    machine and compared, and the spec is the one that you name. With --independent, a machine that
    shares no line with the rest of the package says what steps do.
    """
    if spec is None:
        raise click.UsageError(
            f"name the spec that the proof is to be about: certify {file} SPEC; what the file says "
            "of it is not trusted"
        )
    variants = [variant for suite in load_suites(spec) for variant in suite]
    certified = certify(file)
    invariant = certified.invariant
    if not any(
        variant.name == invariant.variant and variant.protocol == invariant.protocol
        for variant in variants
    ):
        raise CertificateError(
            f"{file}: it proves a protocol that {spec} does not have as variant "
            f"{invariant.variant!r}; the spec may have changed since, or is another"
        )
    setup = Setup(invariant.protocol, invariant.configuration)
    lines = [
        f"{file}: all {certified.obligations} obligations hold, says Z3.",
        f"Spec {spec}, sha256 {hashlib.sha256(spec.read_bytes()).hexdigest()}",
        f"Protocol {invariant.protocol.name}, variant {invariant.variant}; fetch model "
        f"{setup.fetch.name}, {place(setup)}, {invariant.configuration.semantics}",
        f"Proved for every number of CPUs: {', '.join(certified.proved)}.",
    ]
    if certified.open_:
        lines.append(
            f"Not proved: {', '.join(certified.open_)}, which no invariant can show; "
            f"prove checks it with up to {MOST_LIVE} CPUs."
        )
    if independent:
        lines.append(_independently(file))
    out.print(Text("\n".join(lines)), soft_wrap=True)


def _independently(file: Path) -> str:
    """What the second machine says of a certificate. Raises CertificateError."""
    try:
        found = certifier.certify(file.read_text(encoding="utf-8"))
    except (certifier.NotProvedError, UnknownError) as error:
        raise CertificateError(f"{file}: by the naive machine: {error}") from error
    said = (
        f"By the naive machine: all {found.questions} questions are answered, by "
        f"{' and by '.join(found.solvers)}; proved {', '.join(found.proved)}."
    )
    if found.not_covered:
        said += (
            f"\nNot covered there, since no invariant proves it: {', '.join(found.not_covered)}."
        )
    return said
