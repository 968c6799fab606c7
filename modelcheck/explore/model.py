"""What a model must answer to become a system. The machine is one; tests have others."""

from collections.abc import Iterable
from typing import Any, Protocol


class Move(Protocol):
    """One step of one actor."""

    @property
    def shared(self) -> Any:
        """The shared value after the step."""

    @property
    def local(self) -> Any:
        """The actor's local value after the step."""

    @property
    def broadcast(self) -> Any:
        """What all other actors receive, or None."""

    @property
    def guard(self) -> Any:
        """What must hold of all other actors, or None."""

    @property
    def violations(self) -> tuple[str, ...]:
        """The properties that the step violates."""

    @property
    def interrupt(self) -> bool:
        """Whether the actor takes the step in an interrupt of what it does otherwise."""


class Role(Protocol):
    """A number of identical actors."""

    @property
    def name(self) -> str:
        """What to call its actors."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def replicated(self) -> bool:
        """Whether there may be any number of them; otherwise there is always one."""


class Model(Protocol):
    """A shared state, and roles of identical replicas with a local state each.

    All values are immutable and hashable. The answers depend on the arguments alone.
    """

    @property
    def roles(self) -> tuple[Any, ...]:
        """The roles; actors are numbered through them in this order."""

    @property
    def properties(self) -> tuple[str, ...]:
        """The names that violations may have, the most telling first."""

    def initial(self) -> tuple[Any, tuple[Any, ...]]:
        """The initial shared value, and a local one for each role."""

    def moves(self, role: Any, shared: Any, local: Any) -> Iterable[Move]:
        """The steps that an actor of `role` can take, in a fixed order, guards aside."""

    def finished(self, role: Any, local: Any) -> bool:
        """Whether an actor has nothing left that it must finish; asked for liveness only."""

    def turn(self, role: Any, move: Any) -> tuple[str, bool]:
        """Whose turn a step is, among what an actor does side by side, and whether that turn comes
        if the step is possible again and again (else: if it stays possible); for liveness only."""

    def paused(self, role: Any, local: Any) -> bool:
        """Whether an interrupt keeps an actor from its "program" turn; for liveness only."""

    def receive(self, broadcast: Any, local: Any) -> Any:
        """What a broadcast makes of the local value of each other actor."""

    def holds(self, guard: Any, local: Any) -> bool:
        """Whether a guard holds of another actor; a step needs it to hold of all others."""
