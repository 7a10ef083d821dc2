"""Tokens, one-time codes and sign-ins; the page's cookie."""

from hashlib import sha256

import pytest

from koo.testing import FakeClock
from koo.web import Access, AccessConfig, Problem, Scope, is_loopback

SESSION = "/api/v1/session"
RESET = "/api/v1/monitoring/database/reset-circuit-breaker"
OURS = {"content-type": "application/json", "sec-fetch-site": "same-origin"}


def sign_in(stage, body=b'{"token": "test-key-for-operating"}', **headers):
    return stage.ask("POST", SESSION, headers=OURS | headers, body=body)


def cookie_of(answer):
    return answer.headers["set-cookie"].split(";")[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "koo.example", ""])
def test_a_public_address_without_tokens_is_refused_with_a_sentence(host):
    with pytest.raises(ValueError, match="set KOO_READ_TOKEN and KOO_OPERATE_TOKEN"):
        AccessConfig(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_needs_no_tokens(host):
    assert is_loopback(host)
    assert Access(AccessConfig(host)).is_open


@pytest.mark.parametrize("token", ["", "two words", "\u00e9", "line\n"])
def test_a_token_that_no_header_can_carry_is_refused(token):
    with pytest.raises(ValueError, match="access: the read token must be printable"):
        AccessConfig(read_token=token)


@pytest.mark.parametrize(
    "tokens", ["test-a,", "test-a,,test-b", "sha256:abc", "sha256:" + "G" * 64]
)
def test_a_list_with_an_unusable_token_is_refused(tokens):
    with pytest.raises(ValueError, match="access: the operate token must be printable"):
        AccessConfig(operate_token=tokens)


@pytest.mark.parametrize("role", ["read", "operate", "call"])
def test_a_token_that_can_be_guessed_is_refused_where_others_can_try(role):
    name, long = f"{role}_token", "test-key-of-some-length"
    with pytest.raises(ValueError, match=rf"0\.0\.0\.0 can be .* the {role} token is short;"):
        AccessConfig("0.0.0.0", **{"read_token": long, name: f"{long}-too,test-key-of-15-"})
    AccessConfig("0.0.0.0", **{"read_token": long, name: "test-key-of-16--"})
    AccessConfig("127.0.0.1", **{name: "a"})
    hashed = "sha256:" + sha256(b"a").hexdigest()
    AccessConfig("0.0.0.0", **{"read_token": long, name: hashed})


def test_the_old_and_the_new_token_open_the_same_door():
    access = Access(AccessConfig(read_token="test-old,test-new", operate_token="test-act"))
    assert access.bearer("test-old") == access.bearer("test-new") == access.bearer("test-new")
    assert access.bearer("test-old").scope is Scope.READ
    assert access.bearer("test-old,test-new") is None


def test_a_token_may_be_configured_as_its_digest():
    digest = "sha256:" + sha256(b"test-key").hexdigest()
    access = Access(AccessConfig(operate_token=digest))
    assert access.bearer("test-key").operates
    assert access.bearer(digest) is None
    with pytest.raises(ValueError, match="are the same"):
        AccessConfig(read_token="test-key", operate_token=digest)


def test_one_token_in_two_roles_is_refused():
    with pytest.raises(ValueError, match="are the same"):
        AccessConfig(read_token="test-key", operate_token="test-key")


def test_a_token_is_made_on_loopback_and_opens_the_door():
    access = Access()
    assert access.bearer(access.operate_token).operates
    assert (
        access.sign_in_link("http://127.0.0.1:8000/")
        == f"http://127.0.0.1:8000/#code={access.code}"
    )
    assert access.operate_token != Access().operate_token


def test_a_configured_operate_token_is_never_made_or_printed():
    access = Access(AccessConfig(operate_token="test-key"))
    assert (access.operate_token, access.code) == (None, None)
    assert access.sign_in_link("http://127.0.0.1:8000") is None
    assert not access.is_open


def test_a_read_token_alone_closes_looking_and_an_operate_token_is_made_on_loopback():
    access = Access(AccessConfig(read_token="test-key"))
    assert access.anonymous() is None
    assert access.bearer(access.operate_token).operates


def test_a_public_address_with_a_read_token_alone_lets_nobody_act():
    access = Access(AccessConfig("0.0.0.0", read_token="test-key-for-reading"))
    assert access.operate_token is None
    assert access.bearer("test-key-for-reading").scope is Scope.READ


def test_nothing_that_opens_a_door_is_kept_in_plain_text():
    access = Access(AccessConfig(read_token="test-key-1", operate_token="test-key-2"))
    _, cookie = access.sign_in("test-key-2")
    kept = repr({name: value for name, value in vars(access).items() if name.startswith("_")})
    assert "test-key" not in kept
    assert cookie not in kept


def test_a_code_works_once():
    access = Access()
    assert access.sign_in(access.code) is not None
    assert access.sign_in(access.code) is None


def test_a_sign_in_ends_after_twelve_hours():
    clock = FakeClock()
    access = Access(clock=clock)
    _, cookie = access.sign_in(access.operate_token)
    clock.advance(12 * 3600 - 1)
    assert access.cookie(cookie).by_cookie
    clock.advance(1)
    assert access.cookie(cookie) is None


def test_the_oldest_sign_in_makes_room_for_the_hundred_and_first():
    access = Access()
    cookies = [access.sign_in(access.operate_token)[1] for _ in range(101)]
    assert access.cookie(cookies[0]) is None
    assert all(access.cookie(cookie) for cookie in cookies[1:])


def test_the_page_asks_who_it_is_and_never_gets_an_error(stage, open_stage):
    nobody = stage.ask("GET", SESSION)
    assert (nobody.status, nobody.json["scope"]) == (200, None)
    assert nobody.json["about"]["title"] == "koo test"
    assert open_stage.ask("GET", SESSION).json["scope"] == "read"
    assert stage.get(SESSION).json == {
        "scope": "read", "signed_in": False,
        "about": {"title": "koo test", "version": "", "has_runbooks": False},
    }  # fmt: skip


def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_do_not_get(stage):
    answer = sign_in(stage)
    assert answer.json["scope"] == "operate"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("koo_8000=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))


def test_the_cookie_looks_and_acts(stage):
    cookie = cookie_of(sign_in(stage))
    assert stage.ask("GET", "/api/v1/monitoring/health", headers={"cookie": cookie}).status == 200
    answer = stage.ask("POST", RESET, headers=OURS | {"cookie": cookie}, body=b'{"reason": "x y"}')
    assert answer.status == 200
    assert stage.journal.entries()[0].actor == "page (operate)"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_a_cookie_from_another_site_may_not_act(stage, site):
    cookie = cookie_of(sign_in(stage))
    headers = OURS | {"cookie": cookie, "sec-fetch-site": site}
    answer = stage.ask("POST", RESET, headers=headers, body=b"{}")
    assert (answer.status, answer.json["code"]) == (403, "cross_site")
    assert stage.database.resets == 0


@pytest.mark.parametrize("kind", ["text/plain", None])
def test_a_cookie_without_a_json_body_may_not_act(stage, kind):
    headers = OURS | {"cookie": cookie_of(sign_in(stage)), "content-type": kind}
    assert stage.ask("POST", RESET, headers=headers).status == 415
    assert stage.database.resets == 0


def test_a_read_cookie_may_not_act(stage):
    cookie = cookie_of(sign_in(stage, b'{"token": "test-key-for-reading"}'))
    answer = stage.ask("POST", RESET, headers=OURS | {"cookie": cookie}, body=b"{}")
    assert answer.status == 403


def test_a_forged_cookie_is_nobody(stage, open_stage):
    headers = {"cookie": "koo_8000=forged"}
    assert stage.ask("GET", "/api/v1/monitoring/health", headers=headers).status == 401
    assert open_stage.ask("GET", "/api/v1/monitoring/health", headers=headers).status == 200


def test_a_wrong_token_or_code_is_401_and_not_repeated(stage):
    for body in (b'{"token": "wrong-key"}', b'{"code": "wrong-key"}', b"{}"):
        answer = sign_in(stage, body)
        assert answer.status == 401
        assert b"wrong-key" not in answer.body


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"token": 7}'])
def test_a_sign_in_that_is_not_as_documented_is_422(stage, body):
    assert sign_in(stage, body).status == 422


def test_another_site_may_not_sign_anybody_in(quiet):
    assert sign_in(quiet, **{"sec-fetch-site": "cross-site"}).status == 403


def test_guessing_is_slow(stage):
    statuses = [sign_in(stage, b'{"token": "guess"}').status for _ in range(61)]
    assert statuses == [401] * 60 + [429]


def test_signing_out_ends_the_cookie_here_and_in_the_browser(stage):
    cookie = cookie_of(sign_in(stage))
    answer = stage.ask("DELETE", SESSION, headers=OURS | {"cookie": cookie})
    assert answer.json["scope"] is None
    assert "Max-Age=0" in answer.headers["set-cookie"]
    headers = {"cookie": cookie}
    assert stage.ask("GET", "/api/v1/monitoring/health", headers=headers).status == 401


def test_the_one_time_code_of_the_link_signs_in(open_stage):
    code = open_stage.access.code
    answer = sign_in(open_stage, b'{"code": "%s"}' % code.encode())
    assert answer.json == {
        "scope": "operate", "signed_in": True,
        "about": {"title": "koo test", "version": "", "has_runbooks": False},
    }  # fmt: skip


def test_who_guesses_at_one_address_locks_out_nobody_at_another(stage):
    here = stage.app

    async def elsewhere(scope, receive, send):
        await here({**scope, "client": ("192.0.2.7", 5000)}, receive, send)

    stage.app = elsewhere
    guesses = [sign_in(stage, b'{"token": "guessed"}').status for _ in range(61)]
    assert guesses[-1] == 429
    stage.app = here
    assert sign_in(stage).status == 200


def test_of_a_thousand_allowances_the_one_unused_longest_is_forgotten(stage):
    doors = stage.console.desk.doors
    for number in range(1000):
        doors.spend(f"sign-in from {number}")
    for _ in range(59):
        doors.spend("sign-in from 0")
    doors.spend("sign-in from elsewhere")
    with pytest.raises(Problem):
        doors.spend("sign-in from 0")
    for _ in range(60):
        doors.spend("sign-in from 1")


def test_who_may_only_look_signs_nobody_out_who_may_act():
    config = AccessConfig(read_token="a-token-to-look", operate_token="a-token-to-act")
    access = Access(config)
    _, operator = access.sign_in("a-token-to-act")
    first, *others = [access.sign_in("a-token-to-look")[1] for _ in range(101)]
    assert access.cookie(operator).scope == "operate"
    assert access.cookie(first) is None
    assert all(map(access.cookie, others))
