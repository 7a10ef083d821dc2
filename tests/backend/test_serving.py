"""`scripts/serve`: a start that says what is wrong, an end that is clean and in time."""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import socket
import time
import urllib.error
import urllib.request

import pytest
from aiohttp import ClientError, ClientSession

from api.server import listen, port_number
from koo.resilience import SYSTEM_CLOCK
from koo.testing import Simulator

pytestmark = pytest.mark.integration

TOKENS = {"KOO_READ_TOKEN": "test-key-for-reading", "KOO_OPERATE_TOKEN": "test-key-for-operating"}
GENTLY = {"SHUTDOWN_GRACE": "60"}


@contextlib.contextmanager
def serving(program, *arguments, **variables):
    """The started application: its process, and what it said when it was ready."""
    process = program.start("-m", "api", "--port", "0", *arguments, **(GENTLY | variables))
    try:
        said = {}
        for line in process.stdout:
            name, _, value = line.strip().partition(": ")
            said[name] = value
            if "operate token" in name or (TOKENS.keys() <= variables.keys()):
                break
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ask(address, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, data, fields)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read()), answer.headers


def end(process, number):
    """How long the process took to end at a signal, and its exit code."""
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(90)
    return time.monotonic() - began, code


def test_the_link_signs_in_once_and_the_token_acts(program):
    with serving(program) as (_, said):
        page, _, code = said["sign in (works once)"].partition("/#code=")
        assert page == said["the page"]
        proof, origin = {"code": code}, {"Sec_Fetch_Site": "same-origin"}
        session = f"{page}/api/v1/session"
        answer, headers = ask(session, proof, Content_Type="application/json", **origin)
        assert answer["scope"] == "operate"
        assert "HttpOnly" in headers["Set-Cookie"]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(session, proof, Content_Type="application/json", **origin)
        token = said["operate token, made for this run"]
        reset = f"{page}/api/v1/monitoring/database/reset-circuit-breaker"
        answer, _ = ask(reset, {}, Content_Type="application/json", Authorization=f"Bearer {token}")
        assert answer["new_state"] == "healthy"


def test_configured_tokens_are_not_printed(program):
    with serving(program, **TOKENS) as (process, said):
        assert list(said) == ["the page"]
        end(process, signal.SIGTERM)
        output, errors = process.communicate()
    assert not any(token in output + errors for token in TOKENS.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_long_before_its_grace_although_streams_are_open(program, number):
    with serving(program) as (process, said):
        streams = [
            urllib.request.urlopen(f"{said['the page']}/api/v1/monitoring/stream", timeout=30)
            for _ in range(3)
        ]
        assert all(stream.readline() for stream in streams)
        took, code = end(process, number)
        output, errors = process.communicate()
        for stream in streams:
            stream.close()
    assert code == 0
    assert took < 20
    assert "Traceback" not in output + errors


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.15])
def test_an_impatient_second_signal_still_ends_it_in_order(program, gap):
    with serving(program) as (process, said):
        stream = urllib.request.urlopen(f"{said['the page']}/api/v1/monitoring/stream", timeout=30)
        assert stream.readline()
        process.send_signal(signal.SIGINT)
        time.sleep(gap)
        took, code = end(process, signal.SIGINT)
        output, errors = process.communicate()
        stream.close()
    assert (code, took < 20) == (0, True)
    assert "Traceback" not in output + errors
    assert "Application shutdown complete" in errors


def test_it_says_that_it_is_not_ready_for_the_delay_before_it_closes_its_sockets(program):
    with serving(program, SHUTDOWN_DELAY="2") as (process, said):
        assert ready(said["the page"]) == 200
        process.send_signal(signal.SIGTERM)
        answers = []
        with contextlib.suppress(urllib.error.URLError, OSError):
            while True:
                answers.append(ready(said["the page"]))
                time.sleep(0.05)
        assert process.wait(30) == 0
    assert answers.count(503) >= 5, "the balancer had no time to hear of it"


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_delay_at_once(program, first, second):
    with serving(program, SHUTDOWN_DELAY="600") as (process, said):
        assert ready(said["the page"]) == 200
        process.send_signal(first)
        while ready(said["the page"]) == 200:
            time.sleep(0.01)
        took, code = end(process, second)
        _, errors = process.communicate()
    assert (code, took < 20) == (0, True)
    assert "Application shutdown complete" in errors


def ready(address):
    """The status of the readiness probe."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Held:
    """The machine's clock, on which whoever sleeps does so until he is let go."""

    monotonic, time = SYSTEM_CLOCK.monotonic, SYSTEM_CLOCK.time

    def __init__(self):
        self.asleep, self.let_go = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds):
        self.asleep.set()
        await self.let_go.wait()


@contextlib.asynccontextmanager
async def asking(program, **variables):
    """The application while claude holds back an answer: its process, the call, the clock."""
    clock = Held()
    async with Simulator(["claude"], clock=clock) as simulator:
        variables |= {"ANTHROPIC_API_KEY": "test-key"}
        variables |= {"AI_CLAUDE_BASE_URL": simulator.base_url("claude")}
        with serving(program, **variables) as (process, said):
            query = f"{said['the page']}/api/v1/ai/query"
            body = {"service": "claude", "prompt": "hi"}
            signed = f"Bearer {said['operate token, made for this run']}"
            call = asyncio.create_task(asked(query, body, signed))
            await clock.asleep.wait()
            yield process, call, clock


async def asked(address, body, signed):
    fields = {"Authorization": signed}
    async with ClientSession() as session, session.post(address, json=body, headers=fields) as it:
        return await it.json()


async def test_a_call_in_flight_gets_its_grace(program):
    async with asking(program) as (process, call, clock):
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(until_said, process, "Waiting for")
        assert not call.done()
        clock.let_go.set()
        answer = await call
        code = await asyncio.to_thread(process.wait, 90)
    assert (answer["service"], code) == ("claude", 0)


async def test_a_call_that_takes_longer_than_its_grace_is_cut(program):
    async with asking(program, SHUTDOWN_GRACE="0.2") as (process, call, _):
        took, code = await asyncio.to_thread(end, process, signal.SIGTERM)
        with pytest.raises((OSError, ClientError)):
            await call
    assert (code, took < 20) == (0, True)


def until_said(process, words):
    """Read what the process complains or tells of until that holds *words*."""
    assert any(words in line for line in process.stderr)


def test_an_ipv6_address_serves_too(program):
    with serving(program, "--host", "::1") as (_, said):
        assert said["the page"].startswith("http://[::1]:")
        answer, _ = ask(f"{said['the page']}/api/v1/monitoring/health")
    assert answer["overall_health"] == "healthy"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_a_public_address_without_tokens_is_refused(program, host):
    ran = program.run("-m", "api", "--port", "0", "--host", host)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert re.fullmatch(r"serve: .*KOO_READ_TOKEN and KOO_OPERATE_TOKEN.*\n", ran.stderr)


def test_a_taken_port_is_a_sentence(program):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = program.run("-m", "api", "--port", taken.getsockname()[1])
    assert ran.returncode == 2
    assert re.fullmatch(r"serve: can't listen on 127.0.0.1, port \d+: it is taken;.*\n", ran.stderr)


@pytest.mark.parametrize("text", ["-1", "65536", "http", "1.5", ""])
def test_a_port_is_a_number_of_sixteen_bits(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a number from 0 to 65535"):
        port_number(text)
    assert (port_number("0"), port_number("65535")) == (0, 65535)


def test_a_wrong_argument_is_a_sentence(program):
    ran = program.run("-m", "api", "--port", "http")
    assert ran.returncode == 2
    assert ran.stderr.endswith("error: argument --port: must be a number from 0 to 65535\n")


def test_an_address_of_somebody_else_is_a_sentence():
    with pytest.raises(OSError, match=r"192\.0\.2\.1, port 0: this machine has no such address"):
        listen("192.0.2.1", 0)


def test_any_asgi_server_can_run_it(program, free_port):
    process = program.start("-m", "uvicorn", "api.app:app", "--port", free_port)
    try:
        assert process.stdout.readline().startswith("operate token, made for this run: ")
        assert "/#code=" in process.stdout.readline()
        address = f"http://127.0.0.1:{free_port}"
        answer = _patiently(f"{address}/api/v1/monitoring/health")
        assert answer["overall_health"] == "healthy"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors


def _patiently(address):
    while True:
        try:
            return ask(address)[0]
        except urllib.error.URLError:
            time.sleep(0.05)
