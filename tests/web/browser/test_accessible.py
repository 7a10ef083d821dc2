"""Everybody can use it: no violation of WCAG 2 A or AA in any state, in either theme."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from koo.resilience import Reading

VENDOR = Path(__file__).with_name("vendor")
RULES = json.dumps({"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
FOUND = f"""axe.run(document, {RULES}).then(it => it.violations.map(one =>
    `${{one.id}}: ${{one.nodes.map(node => node.target.join(" ")).join(", ")}}`))"""
SCENES = {
    "page": "void 0",
    "reset": "document.querySelector('[data-key=r]').click()",
    "silence": "document.querySelector('[aria-label^=Silence]').click()",
    "help": "document.querySelector('[aria-label=\"Help and keys\"]').click()",
}


def test_axe_is_what_its_manifest_says():
    [package] = json.loads((VENDOR / "manifest.json").read_text())
    digest = sha256((VENDOR / package["file"]).read_bytes()).hexdigest()
    assert (package["name"], digest) == ("axe-core", package["sha256"])
    assert (VENDOR / package["licence_file"]).is_file()


async def violations(page):
    await page.js((VENDOR / "axe.min.js").read_text() + "; void 0")
    return await page.js(FOUND)


@pytest.mark.integration
@pytest.mark.timeout(180)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_in_an_outage(night, serve, browse, dark):
    stage = night()
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.dress(dark=dark, height=1500)
            await page.open(stage.access.sign_in_link(""))
            await page.until("document.querySelector('[aria-label^=Silence]') !== null")
            for name, begin in SCENES.items():
                await page.js(begin)
                await page.until(
                    f"(document.querySelector('dialog') !== null) === {str(name != 'page').lower()}"
                )
                assert await violations(page) == [], name
                await page.js("document.querySelector('dialog')?.close()")
                await page.until("document.querySelector('dialog') === null")
            await page.dress(dark=dark, width=390, height=844, phone=True)
            assert await violations(page) == [], "phone"
            assert await page.js("reports") == []


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_axe_finds_nothing_on_a_quiet_day_and_at_the_door(make_stage, serve, browse, tokens):
    from koo.resilience import SYSTEM_CLOCK

    stage = make_stage(clock=SYSTEM_CLOCK)
    with serve(stage.app) as server:
        async with browse(server.base) as page:
            await page.open()
            await page.until("document.querySelector('dialog[open]') !== null")
            assert await violations(page) == []
            await page.fill("token", tokens["read"])
            await page.click("Sign in")
            await page.see("Everything works")
            assert await violations(page) == []
            stage.database.readings.append(Reading("pool.oldest_checkout", 99))
            stage.database.readings = [
                one._replace(value=29) if one.name == "pool.active" else one
                for one in stage.database.readings
            ]
            await page.see("pending")
            assert await violations(page) == [], "pending"
            server.crash()
            await page.until("document.querySelector('main.stale') !== null")
            assert await violations(page) == [], "stale"
            assert await page.js("reports") == []
