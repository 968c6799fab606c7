"""The rows of an order, in the form in which windows are looked at. Knows orders."""

from modelcheck.litmus.order import EventKind, MemoryOrder

SYNC, BRANCH, ADDRESS, FETCH = map(
    int, (EventKind.SYNC, EventKind.BRANCH, EventKind.ADDRESS, EventKind.FETCH)
)


class RowTable:
    """The rows of an order, in the form in which windows are looked at."""

    def __init__(self, order: MemoryOrder) -> None:
        plain = [row for row in order.rows if row.where == "anywhere" and not row.through]
        self.direct = [(int(row.first), int(row.then)) for row in plain]
        self.same_place = [
            (int(row.first), int(row.then), row.through)
            for row in order.rows
            if row.where == "same place"
        ]
        self.through: dict[str, list[tuple[int, int]]] = {}
        for row in order.rows:
            for barrier in row.through if row.where == "anywhere" else ():
                self.through.setdefault(barrier, []).append((int(row.first), int(row.then)))
        self.reads_hazard = any(
            row.where == "hazard" and row.first & EventKind.READ for row in order.rows
        )
        fetches = [row for row in order.rows if row.first & row.then & EventKind.FETCH]
        self.fetches_ordered = bool(fetches)
        self.by_place = any(row.where == "same place" for row in fetches)
        """Whether fetches are in order where they are of one place."""
        dropped = [row for row in fetches if row.where == "dropped"]
        self.completes: frozenset[str] = dropped[0].through if dropped else frozenset()
        """The barriers that complete an invalidation, where fetches heed that."""
        held = 0
        for row in plain:
            if row.first & EventKind.FETCH:
                held |= int(row.then)
        both = int(EventKind.READ | EventKind.WRITE)
        self.late = not (order.in_order or held & both == both or held & FETCH)
        """Whether anything that comes later in the program can happen before a fetch."""
        self.carried = any(
            row.first & EventKind.FETCH and row.then & EventKind(SYNC | FETCH) for row in order.rows
        )
        self._waits: dict[int, int] = {}

    def waits_for(self, kinds: int) -> int:
        """The kinds of earlier events that an event of some kinds waits for."""
        found = self._waits.get(kinds)
        if found is None:
            found = 0
            for first, then in self.direct:
                if then & kinds:
                    found |= first
            self._waits[kinds] = found
        return found
