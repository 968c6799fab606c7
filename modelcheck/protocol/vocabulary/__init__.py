"""The step vocabulary: what may be done, one frozen dataclass each, by whose programs have it.

Specs use the lower-case functions, which note the source line that they were called from. Each
class says once what its step is made of (see Step.actions), and what to call that.
"""

from modelcheck.protocol.program import Step
from modelcheck.protocol.vocabulary import anyone, code, cpu, program, routine

KINDS: tuple[type[Step], ...] = tuple(
    kind
    for module in (anyone, program, code, cpu, routine)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Step) and kind.__module__ == module.__name__
)
"""All kinds of steps, in the order in which they are written down."""
