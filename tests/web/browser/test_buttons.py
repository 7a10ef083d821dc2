"""Buttons that move or mute something, pressed by a person: what they say, demand and leave."""

import asyncio

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CLOSED = "document.querySelector('dialog[open]') === null"


async def press(page, selector):
    found = f"document.querySelector('{selector}')"
    await page.until(f"{found} !== null && !{found}.disabled")
    await page.js(f"{found}.click()")


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
            await press(page, '[aria-label="Half-open the circuit of claude"]')
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
            await page.click("Silence…")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await asyncio.sleep(0.2)
            assert stage.monitor.alert_list().silences == (), "a reason is required"
            await page.fill("reason", "moving house")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.see("1 silence in force")
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
            assert (
                await page.js(
                    f"{live}.filter(it => !it.disabled && !it.closest('.verdict')).length"
                )
                == 0
            )
