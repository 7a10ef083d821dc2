"""What a type checker knows of the rooms. Checked by mypy strict in the gate, never run."""

from typing import Any, assert_type

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from koo.ai import AIManager, Image, Message, Prompt, Tool, ToolCall, ToolResult
from koo.database import DatabaseConfig, DatabaseManager, DatabaseStats
from koo.errors import ExternalServiceError, Rejected
from koo.resilience import (
    Component,
    DailyBudget,
    DailyBudgetConfig,
    MemoryStore,
    RateLimiter,
    RateLimiterConfig,
    Report,
    Store,
)
from koo.stores import SQLiteStore, connect_store

database = DatabaseManager(DatabaseConfig(url="sqlite+aiosqlite:///:memory:"))


@database.transactional(max_retries=5)
async def count(session: AsyncSession, table: str, *, strict: bool = False) -> int:
    result = await session.execute(text("select count(*) from :table"), {"table": table})
    return int(result.scalar_one()) if strict else 0


async def a_transaction_keeps_its_signature_without_the_session() -> None:
    assert_type(await count("orders", strict=True), int)
    await count()  # type: ignore[call-arg]
    await count("orders", strict="yes")  # type: ignore[arg-type]


async def a_scope_gives_a_session() -> None:
    async with database.session_scope() as session:
        assert_type(session, AsyncSession)


async def transact_gives_what_its_function_gives() -> None:
    async def total(session: AsyncSession) -> float:
        return float((await session.execute(text("select 1.5"))).scalar_one())

    assert_type(await database.transact(total), float)
    assert_type(database.stats(), DatabaseStats)


async def every_room_is_a_component(ai: AIManager) -> None:
    components: list[Component] = [database, ai.find("claude")]
    for component in components:
        assert_type(component.report(), Report)
        assert_type(await component.check(), Report)


async def an_answer_is_text(ai: AIManager) -> None:
    assert_type(await ai.query("claude", Prompt("hello", temperature=0.2)), str)
    await ai.query("claude", 5)  # type: ignore[arg-type]


async def an_answer_may_call_a_tool(ai: AIManager) -> None:
    tool = Tool("get_time", "What time it is.")
    asked = Prompt([Message.user("?", Image("https://example.com/cat.png"))], tools=[tool])
    response = await ai.ask("claude", asked)
    assert_type(response.calls, tuple[ToolCall, ...])
    assert_type(response.message, Message)
    Message.user(*(ToolResult(call, "noon") for call in response.calls))
    assert_type(response.calls[0].values, dict[str, Any])
    assert_type(response.document, Any)
    Prompt("?", max_cost=0.05)  # type: ignore[arg-type]


def an_error_says_what_to_do_with_it(error: ExternalServiceError, refusal: Rejected) -> None:
    assert_type(error.retryable, bool)
    assert_type(error.trips, bool)
    assert_type(error.retry_after, float | None)
    assert_type(refusal.retry_after, float | None)


def every_store_makes_the_same_gates(limits: RateLimiterConfig, money: DailyBudgetConfig) -> None:
    stores: list[Store] = [MemoryStore(), SQLiteStore("state.db"), connect_store("memory:")]
    for store in stores:
        assert_type(store.limiter("dep", limits), RateLimiter)
        assert_type(store.budget("dep", money), DailyBudget)
    connect_store(5)  # type: ignore[arg-type]
