"""The commands about proofs for any number of CPUs: prove and certify."""

import sys
from pathlib import Path

import click
from rich.text import Text

from modelcheck.certificate.certify import certify
from modelcheck.certificate.invariant import CertificateError
from modelcheck.cli.group import (
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
from modelcheck.questions.prove import Proof, prove
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
    proofs = _prove(todo, spec.as_posix(), limits)
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
    sys.exit(exit_code(proofs, len(todo)))


def _prove(todo: list[Job], spec: str, limits: Limits) -> list[Proof]:
    """Decide the jobs in turn. Ctrl-C ends the one under way as inconclusive; the rest is left."""
    proofs: list[Proof] = []
    for job in todo:
        what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
        with progress_line(err, what) as watcher:
            try:
                proofs.append(prove(job, spec=spec, limits=limits, watcher=watcher))
            except KeyboardInterrupt:
                break
        if proofs[-1].interrupted:
            break
    return proofs


def _write(folder: Path, proof: Proof, *, one_model: bool) -> None:
    """Keep a certificate, named as counterexamples are, and for each fetch model."""
    model = "" if one_model else f".{proof.job.configuration.fetch}"
    if proof.certificate is not None:
        write_text(folder / f"{proof.job.name}{model}.smt2", proof.certificate)


def _prove_any_bytes(spec: Path, overrides: Overrides, limits: Limits) -> None:
    todo = list(jobs(load_suites(spec), overrides))
    found: list[ForAllBytes] = []
    for job in todo:
        what = f"{job.suite.protocol.name}, {job.variant.name}, {job.configuration.fetch}"
        with progress_line(err, what) as watcher:
            try:
                found.append(
                    for_all_bytes(job, spec=spec.as_posix(), limits=limits, watcher=watcher)
                )
            except KeyboardInterrupt:
                break
    out.width = max(out.width, MINIMUM_WIDTH)
    out.print(all_bytes_view.render(spec.as_posix(), found))
    sys.exit(exit_code(found, len(todo)))


@cli.command("certify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--independent",
    is_flag=True,
    help="Check it once more by a second machine and all solvers that are installed.",
)
def certify_command(file: Path, *, independent: bool) -> None:
    """Check a certificate against the spec it names, and have Z3 check its obligations.

    Nothing in the file is trusted: all of it but the invariant is written anew and compared. With
    --independent, a machine that shares no line with the rest of the package says what steps do.
    """
    certified = certify(file)
    invariant = certified.invariant
    variants = [variant for suite in load_suites(Path(invariant.spec)) for variant in suite]
    if not any(
        variant.name == invariant.variant and variant.protocol == invariant.protocol
        for variant in variants
    ):
        raise CertificateError(
            f"{file}: it proves a protocol that {invariant.spec} does not have as variant "
            f"{invariant.variant!r}; the spec may have changed since"
        )
    setup = Setup(invariant.protocol, invariant.configuration)
    out.print(
        Text(
            f"{file}: all {certified.obligations} obligations hold: {invariant.protocol.name}, "
            f"variant {invariant.variant}, is safe for every number of CPUs.\n"
            f"Fetch model {setup.fetch.name}, {place(setup)}, "
            f"{invariant.configuration.semantics}; properties {', '.join(setup.watched)}."
        ),
        soft_wrap=True,
    )
    if independent:
        out.print(Text(_independently(file)), soft_wrap=True)


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
