"""The x86 specs: what their traces tell, and what the machine has for them."""

import pytest

from modelcheck import Cell, Handler, Protocol, Site, Suite, iret, lookup, store, use, when, write
from modelcheck.check import Overrides, check, jobs

SITE = Site("foo", b"\x90\x01", b"\x91\x02")
CELL = Cell("cell")


@pytest.mark.parametrize(("value", "violated"), [(None, "no-stale-handler-data"), ("foo", None)])
def test_to_follow_what_was_not_found_is_a_null_pointer(
    value: str | None, violated: str | None
) -> None:
    found = lookup("find", CELL)
    protocol = Protocol(
        "null",
        sites=(SITE,),
        cells=(CELL,),
        program=(store("publish", CELL, value), write("trap", SITE, b"\xcc")),
        handler=Handler(b"\xcc", (when(found, otherwise=(use("follow", CELL),)), iret("iret"))),
        properties=("no-stale-handler-data",),
    )
    (job,) = jobs((Suite(protocol, fetch=("per-chunk",), cpus=1),), Overrides())
    assert check(job, spec="").violated == violated
