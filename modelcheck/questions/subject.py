"""What every question is about: a protocol in one configuration, built once.

Knows the machine and systems; knows no question.
"""

import weakref
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from modelcheck.explore.system import System
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.protocol.definition import Protocol


@dataclass(frozen=True)
class Subject:
    """A protocol in one configuration, with its machine and its system.

    They are built when first needed, and are the same for all who ask. The system, which may be
    big, lives as long as somebody uses it. Raises SpecError when the machine is built from a
    protocol that it does not understand.
    """

    protocol: Protocol
    configuration: Configuration
    _systems: list["weakref.ref[System]"] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @cached_property
    def machine(self) -> Machine:
        """What each actor may do."""
        return Machine(self.protocol, self.configuration)

    @property
    def setup(self) -> Setup:
        """What the rules of all CPUs have in common."""
        return self.machine.setup

    @property
    def system(self) -> System:
        """The machine as a transition system. What it has asked of the machine it keeps."""
        system = self._systems[0]() if self._systems else None
        if system is None:
            system = System(self.machine)
            self._systems[:] = [weakref.ref(system)]
        return system

    def configured(self, **changes: Any) -> "Subject":
        """The same protocol in another configuration: see Configuration for what can change."""
        return Subject(self.protocol, replace(self.configuration, **changes))

    def __reduce__(self) -> tuple[Any, ...]:
        """Whoever is sent one builds its machine anew."""
        return Subject, (self.protocol, self.configuration)
