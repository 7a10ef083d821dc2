"""The page's files: served by exact name, vendored with hash and licence, nothing foreign."""

import gzip
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

import koo.web
from koo.web import ConsoleConfig
from koo.web.routes.runbooks import split_sections

STATIC = Path(koo.web.__file__).parent / "static"
VENDOR = STATIC / "vendor"
OWN = sorted(it for it in STATIC.rglob("*") if it.is_file() and it.parent != VENDOR)


def test_the_page_needs_no_token_and_holds_no_data(stage):
    stage.database.fail()
    answer = stage.ask("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for word in (b"circuit", b"refused", b"claude"):
        assert word not in answer.body.lower()


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_every_file_is_served_with_its_type(quiet, path):
    name = path.relative_to(STATIC).as_posix()
    answer = quiet.ask("GET", f"/static/{name}")
    assert (answer.status, answer.body) == (200, path.read_bytes())
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds.get(path.suffix, "text/html"))


def test_a_file_that_did_not_change_is_not_sent_again(quiet):
    etag = quiet.ask("GET", "/static/main.js").headers["etag"]
    answer = quiet.ask("GET", "/static/main.js", headers={"if-none-match": etag})
    assert (answer.status, answer.body) == (304, b"")
    assert quiet.ask("GET", "/static/style.css", headers={"if-none-match": etag}).status == 200


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "gzip, deflate, br, zstd"])
def test_who_takes_gzip_gets_it_and_an_etag_of_its_own(quiet, accepted):
    plain = quiet.ask("GET", "/static/main.js")
    answer = quiet.ask("GET", "/static/main.js", headers={"accept-encoding": accepted})
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == plain.body
    assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"] != plain.headers["etag"]
    known = {"accept-encoding": accepted, "if-none-match": answer.headers["etag"]}
    assert quiet.ask("GET", "/static/main.js", headers=known).status == 304


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"])
def test_who_does_not_take_gzip_gets_the_file_as_it_is(quiet, accepted):
    answer = quiet.ask("GET", "/static/main.js", headers={"accept-encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.body.startswith(b"// One state")


@pytest.mark.parametrize(
    "path", ["../access.py", "..%2faccess.py", "", "vendor", "vendor/../main.js", "/etc/passwd"]
)
def test_no_path_leaves_the_folder(quiet, path):
    assert quiet.ask("GET", f"/static/{path}").status == 404


def test_the_page_names_no_other_host():
    for path in OWN:
        addresses = set(re.findall(r"https?://[\w.]+", path.read_text()))
        assert addresses <= {"http://www.w3.org"}, path


def test_the_page_has_no_inline_script_style_or_html_sink():
    sinks = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        "new Function",
        "document.write",
    )
    for path in OWN:
        text = path.read_text()
        assert not [sink for sink in sinks if sink in text], path
    html = (STATIC / "index.html").read_text()
    assert "<style" not in html
    assert "style=" not in html
    assert not re.search(r"<script(?![^>]*src=)", html)


def test_every_module_is_asked_for_at_once_and_not_one_after_the_other():
    html = (STATIC / "index.html").read_text()
    asked = set(re.findall(r'(?:modulepreload" href|module" src)="/static/(.+?)"', html))
    modules = {*STATIC.rglob("*.js"), *STATIC.rglob("*.mjs")}
    assert asked == {path.relative_to(STATIC).as_posix() for path in modules}


def test_every_import_leads_to_a_file():
    for path in (path for path in OWN if path.suffix == ".js"):
        for target in re.findall(r'from "(.+?)"', path.read_text()):
            assert (path.parent / target).is_file(), (path.name, target)


def test_what_is_vendored_is_what_the_manifest_says():
    manifest = json.loads((VENDOR / "manifest.json").read_text())
    assert {path.name for path in VENDOR.iterdir()} == {"manifest.json"} | {
        name for package in manifest for name in (package["file"], package["licence_file"])
    }
    for package in manifest:
        digest = sha256((VENDOR / package["file"]).read_bytes()).hexdigest()
        assert digest == package["sha256"], package["name"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["licence"] in {"MIT", "Apache-2.0"}


def test_the_page_and_its_files_are_small():
    files = [path for path in STATIC.rglob("*") if path.is_file() and "LICENSE" not in path.name]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 60_000


def test_no_file_of_the_page_is_longer_than_a_reader_can_hold():
    assert max(len(path.read_text().splitlines()) for path in OWN) <= 400


RUNBOOKS = """# Runbooks

## Database circuit open

Look at the server.

```
## not a heading
```

### What next

Wait.

## It's over (really)

Rest.
"""


def test_a_section_of_the_runbooks_goes_to_the_next_heading_as_high():
    sections = split_sections(RUNBOOKS)
    assert list(sections) == ["database-circuit-open", "what-next", "its-over-really"]
    assert sections["database-circuit-open"].startswith("## Database circuit open")
    assert "## not a heading" in sections["database-circuit-open"]
    assert "Wait." in sections["database-circuit-open"]
    assert sections["what-next"] == "### What next\n\nWait.\n"


def test_a_runbook_is_read_on_the_page_itself(make_stage):
    stage = make_stage(config=ConsoleConfig(runbooks=RUNBOOKS))
    answer = stage.get("/runbooks/database-circuit-open")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"Look at the server." in answer.body
    assert stage.get("/runbooks/nothing").status == 404
    assert stage.ask("GET", "/runbooks/database-circuit-open").status == 401
    assert stage.get("/api/v1/session").json["about"]["has_runbooks"] is True


@pytest.mark.parametrize(
    "wrong",
    [{"hosts": ("*",)}, {"hosts": ("*.example",)}, {"posts_per_minute": 0}, {"most_streams": 0}],
)
def test_a_config_that_would_lock_out_or_let_in_everybody_is_refused(wrong):
    with pytest.raises(ValueError, match="ConsoleConfig: "):
        ConsoleConfig(**wrong)
