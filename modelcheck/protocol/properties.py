"""The properties, by name: what each forbids. Knows how a field says what it takes."""

from typing import Annotated

from modelcheck.protocol.checking import one_of

TORN = "no-torn-instruction"
SEQUENCE = "no-torn-sequence"
UNHANDLED = "no-unhandled-trap"
STALE = "no-stale-handler-data"
EFFECT = "effect-is-old-or-new"
VISIBLE = "visible-after-return"
MONOTONE = "per-cpu-monotone"
UNPERMITTED = "no-unpermitted-modification"
UNEXPECTED = "no-unexpected-bytes"
ENDS = "ends-as-new"
FINISHES = "finishes"
COMPLETES = "patch-completes"

LIVENESS = (FINISHES, COMPLETES)
"""Properties of all that may follow, which no single step violates."""

PROPERTIES: dict[str, str] = {
    TORN: "No CPU executes bytes that are neither the old instruction nor the new one.",
    SEQUENCE: "No pass through a region mixes instructions of its old and new form, or goes on in "
    "the middle of one.",
    UNHANDLED: "Every trap finds its entry in the handler's data.",
    STALE: "No handler acts on data that was withdrawn or replaced since it looked it up.",
    EFFECT: "Each execution of a site acts as the old instruction or as the new one.",
    VISIBLE: "After all programs have returned, no CPU executes the old instruction or traps.",
    MONOTONE: "A CPU that has acted as the new instruction never executes the old one again.",
    UNPERMITTED: "No CPU executes bytes that changed since its last sync, other than by a trap "
    "set or removed (fetch model strict).",
    UNEXPECTED: "Each write finds the bytes that it expects to replace.",
    ENDS: "When all programs have ended, each site holds its new form, and nothing that a handler "
    "looks up is still published.",
    FINISHES: "Wherever a run has come to, every program can still finish.",
    COMPLETES: "Every program finishes, if each step that can be taken is taken at last.",
}

Property = Annotated[str, one_of("property", tuple(PROPERTIES))]
"""The name of one."""
