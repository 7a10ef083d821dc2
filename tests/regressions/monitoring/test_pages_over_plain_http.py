"""Over plain HTTP from another machine nobody could sign in: browsers say less there."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from koo.monitoring import Monitor
from koo.web import Access, AccessConfig, Console, ConsoleConfig

TOKEN, HOST = "test-key-for-operating", "koo.test:8000"


@pytest.fixture
def app():
    access = Access(AccessConfig("192.0.2.1", "test-key-for-reading", TOKEN))
    app = FastAPI()
    Console(Monitor([]), access, ConsoleConfig(hosts=("koo.test",))).install(app)
    return app


def sign_in(app, **headers):
    async def post():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post("/api/v1/session", json={"token": TOKEN}, headers=sent)

    return asyncio.run(post())


def test_who_comes_from_the_page_itself_is_known_by_the_origin(app):
    answer = sign_in(app, origin=f"http://{HOST}")
    assert (answer.status_code, answer.json()["scope"]) == (200, "operate")
    assert "Secure" not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ""},
        {"origin": "null"},
        {"origin": "http://koo.test"},
        {"origin": "http://koo.test:8001"},
        {"origin": "http://koo.test:8000.example"},
        {"origin": "http://evil.example"},
        {"origin": f"http://{HOST}", "sec_fetch_site": "cross-site"},
        {"origin": f"http://{HOST}", "sec_fetch_site": "same-site"},
        {"origin": f"http://{HOST}", "sec_fetch_site": "none"},
    ],
)
def test_who_comes_from_elsewhere_or_says_nothing_is_refused(app, headers):
    answer = sign_in(app, **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
