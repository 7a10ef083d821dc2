"""A limiter and a budget that are made together, and what is done with both."""

from koo.resilience import Ask, DailyBudgetConfig, Limit, RateLimiterConfig, Spent, Success

from .tools import MINUTE, admitted

ASK = Ask(tokens=40, nanousd=300)
SPENT = Success(Spent(tokens=25, nanousd=120))
LIMITS = RateLimiterConfig((Limit(10, MINUTE), Limit(100, MINUTE, "tokens")))


def both(store, limit=1000, limits=LIMITS):
    return store.limiter_and_budget("dep", limits, DailyBudgetConfig(limit))


def let_in(gates, ask=ASK):
    return [admitted(gate, ask) for gate in gates]


def settle(permits, outcome=SPENT):
    for permit in permits:
        permit.settle(outcome)


def cancel(permits):
    for permit in permits:
        permit.cancel()


def file_of(gates):
    return gates[1].account._file


def told(gates):
    """The statements that the file hears from now on."""
    statements = []
    file_of(gates)._connection.set_trace_callback(statements.append)
    return statements
