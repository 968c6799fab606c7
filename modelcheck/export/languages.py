"""The languages that a machine can be exported to, by name. Knows the printers."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from modelcheck.export.murphi import to_murphi
from modelcheck.export.promela import to_promela
from modelcheck.export.tla import to_tla, to_tla_config
from modelcheck.machine.actors import Machine


class Language(NamedTuple):
    """A language: who reads it, how its files end, and what prints it.

    `files` gives for a machine, a title and the path of the main file all files to write, that
    one first.
    """

    reader: str
    suffix: str
    files: Callable[[Machine, str, Path], dict[Path, str]]


def _promela(machine: Machine, title: str, path: Path) -> dict[Path, str]:
    return {path: to_promela(machine, title=title)}


def _murphi(machine: Machine, title: str, path: Path) -> dict[Path, str]:
    return {path: to_murphi(machine, title=title)}


def _tla(machine: Machine, title: str, path: Path) -> dict[Path, str]:
    # A module is named as its file is.
    return {
        path: to_tla(machine, title=title, module=path.stem),
        path.with_suffix(".cfg"): to_tla_config(machine),
    }


LANGUAGES = {
    "promela": Language("SPIN", ".pml", _promela),
    "murphi": Language("Rumur, CMurphi", ".m", _murphi),
    "tla": Language("TLC", ".tla", _tla),
}
