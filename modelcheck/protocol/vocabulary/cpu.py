"""Steps for the program that CPUs run: where they run the sites, and in which mode. A patcher and
an NMI may run sites as well.

Knows sites and actions.
"""

from dataclasses import dataclass

from modelcheck.protocol.actions import Actions, Mode, Refresh, Run
from modelcheck.protocol.checking import Name, checked
from modelcheck.protocol.code import Site
from modelcheck.protocol.program import Step
from modelcheck.protocol.source import here


@dataclass(frozen=True)
class Execute(Step):
    """Run the sites named, each any number of times, and go on."""

    sites: tuple[str, ...]

    def actions(self) -> Actions:
        return (Run(self.sites),)


@dataclass(frozen=True)
class EnterUser(Step):
    """CPU: leave the kernel for user mode."""

    def actions(self) -> Actions:
        return (Mode(user=True),)


@dataclass(frozen=True)
class LeaveUser(Step):
    """CPU: enter the kernel from user mode."""

    def actions(self) -> Actions:
        return (Mode(user=False),)


@dataclass(frozen=True)
class Flush(Step):
    """CPU: serialise if a deferred IPI asked for it.

    Source: "context_tracking,x86: Defer kernel text patching IPIs", Schneider 2025.
    """

    def actions(self) -> Actions:
        return (Refresh(if_deferred=True),)


@checked
def execute(label: Name, *sites: Site) -> Execute:
    """Run these sites any number of times."""
    return Execute(label, tuple(site.name for site in sites), source=here())


@checked
def enter_user(label: Name) -> EnterUser:
    """CPU: return to user mode."""
    return EnterUser(label, source=here())


@checked
def leave_user(label: Name) -> LeaveUser:
    """CPU: enter the kernel."""
    return LeaveUser(label, source=here())


@checked
def flush(label: Name) -> Flush:
    """CPU: serialise if that was deferred."""
    return Flush(label, source=here())
