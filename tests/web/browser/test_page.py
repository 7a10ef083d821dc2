"""The page as a person sees it, in a real Chromium against a real server."""

import pytest

from koo.resilience import Reading

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SERVICE_ROW = "document.querySelector('.services tbody tr')"
SIGN_IN = "document.querySelector('dialog[open] input[name=token]') !== null"
DRAWN = "[...document.querySelectorAll('main [role=img]')].map(it => it.getAttribute('aria-label'))"
POOL = "28 of 30 connections in use (18 beyond the pool's size of 10), 0 idle, 12 waiting"
FOOTER = "[...document.querySelectorAll('footer a')].map(async it => (await fetch(it)).status)"


def nothing_foreign(page):
    assert page.requested
    assert all(url.startswith(page.base) for url in page.requested), page.requested
    assert page.complaints == []


async def test_the_first_glance_says_what_since_when_why_what_it_costs_and_what_to_press(
    night, serve, browse
):
    stage = night(runbooks="## Database circuit open\n")
    with serve(stage.app) as server:
        link = stage.access.sign_in_link("")
        async with browse(server.base) as page:
            await page.dress(height=1500)
            await page.open(link)
            for words in (
                "Database circuit open",
                "The system is unhealthy",
                "5 of the last 8 attempts failed; last: connection refused",
                "412 calls refused",
                "Do not reset yet",
                "Check the database",
                "12 p95 wait",
                "1 more follows from these",
                "Circuits open",
                "2 of 4",
                "AI spend today",
                "% of the day gone",
                "Who holds connections (28)",
                "next probe in",
                "set PERPLEXITY_API_KEY",
                "Circuit open claude",
                "Sign out",
            ):
                await page.see(words)
            assert await page.js("location.hash") == ""
            assert await page.js("document.title") == "Database circuit open · orders"
            drawn = await page.js(DRAWN)
            assert POOL in drawn
            assert "31 of 60 this minute, 29 left" in drawn
            assert "in the window: 5 of 8 attempts failed, the newest did" in drawn
            rows = "[...document.querySelectorAll('.services tbody th')].map(row => row.innerText)"
            assert [row.split("\n")[0] for row in await page.js(rows)] == [
                "claude", "gemini", "openai", "perplexity",
            ]  # fmt: skip
            nothing_foreign(page)
            assert await page.js("reports") == []


async def test_the_page_fits_a_phone_and_a_dark_room(night, serve, browse, tmp_path):
    stage = night()
    for kind in ("connection", "commit_unknown", "integrity"):
        stage.database.readings.append(Reading("errors_total", 6, labels=(("kind", kind),)))
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            for dark in (False, True):
                await page.dress(dark=dark, width=390, height=844, phone=True)
                await page.see("Database circuit open")
                assert await page.js("document.documentElement.scrollWidth") == 390
                ground = await page.js("getComputedStyle(document.body).backgroundColor")
                assert ground == ("rgb(12, 15, 19)" if dark else "rgb(244, 246, 248)")


async def test_the_page_cuts_nothing_off_on_a_small_screen(night, serve, browse):
    cut = "[...document.querySelectorAll('main *')].filter(it => it.scrollWidth > it.clientWidth"
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.dress(width=1280, height=800)
            await page.open()
            await page.see("p50 / p95 / p99")
            texts = ".facts dd, .tile small, .state, .cause, .limits small"
            assert await page.js(f"{cut} && it.matches('{texts}')).map(it => it.innerText)") == []


async def test_what_a_circuit_counts_is_not_taken_for_calls(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.see("1 of 41 attempts failed")
            await page.see("answered")
            await page.see("1,204 in all; timeout")


async def test_with_tokens_the_page_shows_nothing_until_somebody_signs_in(
    night, serve, browse, tokens
):
    stage = night(read=tokens["read"], operate=tokens["operate"])
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.until(SIGN_IN)
            assert "circuit" not in (await page.js("document.body.innerText")).lower()
            await page.fill("token", "wrong-key")
            await page.click("Sign in")
            await page.see("is not known")
            await page.fill("token", tokens["read"])
            await page.click("Sign in")
            await page.see("Database circuit open")
            buttons = "[...document.querySelectorAll('.database button')].map(it => it.disabled)"
            assert await page.js(buttons) == [True, True, True]
            assert await page.js(f"Promise.all({FOOTER})") == [200, 200, 200]
            stage.access.sign_out("anything")
            await page.click("Sign out")
            await page.until(SIGN_IN)


async def test_somebody_signs_in_over_plain_http_from_another_machine(night, serve, browse, tokens):
    stage = night(read=tokens["read"], operate=tokens["operate"], hosts=("koo.test",))
    with serve(stage.app) as server:
        base = server.base.replace("127.0.0.1", "koo.test")
        async with browse(base, "--host-resolver-rules=MAP koo.test 127.0.0.1") as page:
            await page.open()
            await page.fill("token", tokens["operate"])
            await page.click("Sign in")
            await page.see("Database circuit open")
            await page.see("Sign out")
            await page.click("Sign out")
            await page.until(SIGN_IN)


async def test_a_button_says_its_consequence_asks_for_a_reason_and_acts(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.see("Database circuit open")
            await page.click("Reset circuit")
            await page.see("Calls go at once instead of in")
            await page.see("No data and no connection is touched")
            await page.click("Reset the circuit")
            assert stage.database.resets == 0, "a reason is required"
            await page.fill("reason", "server is back")
            await page.click("Reset the circuit")
            await page.see("“server is back”")
            await page.see("database circuit reset")
            assert stage.database.resets == 1
            await page.until("document.querySelector('dialog[open]') === null")
            await page.see("claude: circuit open")
            nothing_foreign(page)


async def test_the_page_is_worked_by_keys_alone(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open(stage.access.sign_in_link(""))
            await page.until(f"{SERVICE_ROW} !== null")
            await page.key("?")
            await page.see("Keys and shapes")
            await page.key("Escape")
            await page.until("document.querySelector('dialog') === null")
            await page.key("j")
            row = "document.activeElement.closest('tr').innerText"
            assert (await page.js(row)).startswith("claude")
            await page.shortcut("c")
            await page.see("One short query goes to the server")
            await page.js("document.querySelector('dialog form').requestSubmit()")
            await page.until("document.querySelector('dialog') === null")
            assert stage.database.asked == 1


async def test_the_page_is_live_and_says_so_when_it_is_not(night, serve, browse):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.see("Database circuit open")
            stage.database.reset()
            await page.see("claude: circuit open")
            server.crash()
            await page.see("no connection")
            await page.until("document.querySelector('main.stale') !== null")


async def test_without_a_stream_the_page_polls(night, serve, browse):
    stage = night(most_streams=1)
    with serve(stage.app) as server:
        the_only_seat = stage.console.feed.frames()
        async with browse(server.base) as page:
            await page.open()
            await page.see("live, by polling")
            stage.database.reset()
            await page.see("claude: circuit open")
        del the_only_seat


async def test_a_runbook_opens_over_the_page(night, serve, browse):
    text = "# Runbooks\n\n## Service circuit open\n\nLook at the provider first.\n"
    stage = night(runbooks=text)
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.click("Runbook")
            await page.see("Look at the provider first.")


async def test_a_quiet_day_says_so(make_stage, serve, browse):
    from koo.resilience import SYSTEM_CLOCK

    stage = make_stage(read=None, operate=None, clock=SYSTEM_CLOCK)
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.see("Everything works")
            await page.see("3 of 3 components healthy; nothing to do.")
            await page.see("Nothing fires.")
            nothing_foreign(page)
