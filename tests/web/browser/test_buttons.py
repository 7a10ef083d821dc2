"""Buttons that move or mute something, pressed by a person: what they say, demand and leave."""

import asyncio

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CLOSED = "document.querySelector('dialog[open]') === null"


async def audit(stage):
    return [entry.action for entry in await stage.records.audit.entries(10)]


async def test_half_open_is_offered_first_says_what_happens_and_lets_one_call_probe(
    night, serve, browse
):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.shortcut("o")
            await page.see("Half-open the database circuit")
            await page.see("One call at a time is let through as a probe.")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.until(CLOSED)
            assert stage.database.breaker.stats().state == "half_open"
            await page.see("HALF-OPEN probing")
            await page.see("database half-opened")
    [action] = await audit(stage)
    assert (action.action, action.actor, action.address) == (
        "half-opened", "page (operate)", "127.0.0.1",
    )  # fmt: skip


async def test_a_button_refuses_to_act_on_a_circuit_that_has_moved_meanwhile(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.shortcut("r")
            await page.fill("reason", "server is back")
            stage.database.half_open()
            await page.click("Reset the circuit")
            await page.see("the circuit has moved since you looked")
            assert stage.database.resets == 0
            await page.key("Escape")
            await page.until(CLOSED)


async def test_a_service_is_half_opened_from_its_row(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            row = '[aria-label="Half-open the circuit of claude"]'
            await page.press(f"document.querySelector('{row}')")
            await page.see("may cost money")
            await page.click("Half-open now")
            await page.until(CLOSED)
            assert stage.services["claude"].breaker.stats().state == "half_open"


async def test_an_alert_is_acknowledged_silenced_and_heard_again(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.shortcut("a")
            await page.see("nobody is reminded of it")
            await page.fill("reason", "on it")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.see("seen by page (operate)")
            await page.until(CLOSED)
            await page.click("Silence…")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await asyncio.sleep(0.2)
            assert stage.monitor.alert_list().silences == (), "a reason is required"
            await page.fill("reason", "moving house")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.see("1 silence in force")
            await page.until(CLOSED)
            [silence] = stage.monitor.alert_list().silences
            assert silence.reason == "moving house"
            await page.js("document.querySelectorAll('.muted').forEach(it => it.open = true)")
            await page.click("Lift…")
            await page.click("Lift the silence")
            await page.until("!document.body.innerText.includes('in force')")
    actions = [action.action.split()[0] for action in await audit(stage)]
    assert actions == ["lifted", "silenced", "acknowledged"]


async def test_who_may_only_look_sees_no_button_that_works(night, serve, browse, tokens):
    stage = night(read=tokens["read"], operate=tokens["operate"])
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.fill("token", tokens["read"])
            await page.click("Sign in")
            await page.see("Database circuit open")
            live = "[...document.querySelectorAll('main button:not(.link-like)')]"
            await page.until(f"{live}.length > 3")
            assert await page.js(f"{live}.filter(it => !it.disabled).length") == 0


async def test_a_circuit_that_only_a_reset_closes_is_not_offered_a_probe(night, serve, browse):
    stage = night()
    stage.database.breaker.isolate("moving house")
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.see("until somebody resets it")
            assert await page.js("document.querySelector('[data-key=o]')") is None


async def test_a_button_that_is_pressed_twice_acts_once(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.click("Silence…")
            await page.fill("reason", "moving house")
            await page.js(
                "for (const _ of [1, 2, 3]) document.querySelector('dialog form').requestSubmit()"
            )
            await page.see("1 silence in force")
    assert [action.action.split()[0] for action in await audit(stage)] == ["silenced"]


async def test_who_was_signed_out_by_the_server_signs_in_again(night, serve, browse, tokens):
    stage = night(read=tokens["read"], operate=tokens["operate"])
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.fill("token", tokens["operate"])
            await page.click("Sign in")
            await page.see("Database circuit open")
            await page.until(CLOSED)
            stage.access._sign_ins.clear()
            await page.until("document.querySelector('dialog[open] [name=token]') !== null")
            await page.key("Escape")
            await page.fill("token", tokens["operate"])
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.until(CLOSED)
            await page.press("document.querySelector('[data-key=r]')")
            await page.see("Reset the database circuit")


class Dark:
    """An application whose path to the page swallows everything while it is dark."""

    def __init__(self, app):
        self.app = app
        self.is_dark = False

    async def __call__(self, scope, receive, send):
        async def send_in_the_light(message):
            while self.is_dark:
                await asyncio.sleep(0.05)
            await send(message)

        await self.app(scope, receive, send if scope["type"] == "lifespan" else send_in_the_light)


async def test_a_page_comes_back_from_a_path_that_swallowed_everything(night, serve, browse):
    stage = night()
    path = Dark(stage.app)
    unknown = "document.getElementById('icon').href.endsWith('/unknown.svg')"
    with serve(path) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.see("Database circuit open")
            await page.js(
                "const wait = AbortSignal.timeout.bind(AbortSignal);"
                "AbortSignal.timeout = (ms) => wait(ms / 20)"
            )
            try:
                path.is_dark = True
                await page.until(unknown)
                await page.see("no connection")
            finally:
                path.is_dark = False
            await page.until(f"!{unknown}")


LOSE_THE_FIRST_ANSWER = """
const real = window.fetch; let lost = false;
window.fetch = async (path, options) => {
  const answer = await real(path, options);
  if (options?.method !== "POST" || lost) return answer;
  lost = true;
  throw new TypeError("the answer was lost");
};
"""


async def test_what_is_pressed_again_because_its_answer_was_lost_is_done_once(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.see("Silence…")
            await page.js(LOSE_THE_FIRST_ANSWER)
            await page.click("Silence…")
            await page.fill("reason", "moving house")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.see("the answer was lost")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.until(CLOSED)
    assert len(stage.monitor.alert_list().silences) == 1
    assert len(await audit(stage)) == 1
