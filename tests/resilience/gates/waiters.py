"""Someone in line, without a loop: takes what it is given and remembers it."""

from koo.resilience import Ask, Permit


class Here:
    """The home of whoever waits without a loop: this thread, for ever."""

    is_elsewhere = is_gone = False

    def call(self, action):
        """Whom the collector calls here, no turn will come to serve."""


HERE = Here()


class Visitor:
    """A waiter that a test owns."""

    home = HERE

    def __init__(self, ask=None, arrived=0.0, *, gone=False, patience=1e9):
        self.ask = ask or Ask()
        self.arrived = arrived
        self.gone = gone
        self.patience = patience
        self.permit: Permit | None = None
        self.refusal = None
        self.due = None

    def grant(self, permit):
        if self.gone:
            return False
        self.permit = permit
        return True

    def refuse(self, rejection):
        self.refusal = rejection

    def can_wait(self, seconds):
        return seconds < self.patience

    def serve_in(self, seconds, gate):
        self.due = seconds


def queue(gate, *asks, arrived=None):
    """Visitors with these asks, in line in this order: who joins has been refused."""
    visitors = []
    for number, ask in enumerate(asks):
        if isinstance(answer := gate.admit(ask), Permit):
            answer.cancel()
        visitor = Visitor(ask, number if arrived is None else arrived[number])
        assert gate.join(visitor) is None
        visitors.append(visitor)
    return visitors
