"""What happens on the way to any vendor: pages of other machines, bytes that are no HTTP, ends."""

from __future__ import annotations

from functools import partial

from .form import Scenario, told

PAGE = "<html><head><title>It failed.</title></head><body>$prompt</body></html>"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BEGUN = b'{"type":"message","content":[{"type":"text","text":"Beca'
LONG_HEADER = b"x-long: " + b"x" * 100_000 + b"\r\n"

case = partial(Scenario, "")


def raw(name: str, sent: bytes, *, resets: bool = False) -> Scenario:
    """*sent*, and then the end of the connection."""
    return Scenario("", name, 0, "", raw=sent, resets=resets)


SCENARIOS = (
    case("page-200", 200, PAGE),
    case("page-401", 401, PAGE),
    case("page-403", 403, PAGE),
    case("page-404", 404, PAGE),
    case("page-407", 407, PAGE),
    case("page-413", 413, PAGE),
    case("page-429", 429, PAGE, told(retry_after="$seconds"), 8),
    case("page-502", 502, PAGE),
    case("page-503", 503, PAGE),
    case("page-520", 520, PAGE),
    case("page-522", 522, PAGE),
    case("page-524", 524, PAGE),
    case("redirect", 307, PAGE, told(location="/elsewhere")),
    case("teapot", 418, PAGE),
    case("empty-200", 200, ""),
    case("empty-500", 500, ""),
    case("no-content", 204, ""),
    case("null-200", 200, "null"),
    case("half-json-200", 200, '{"content": ['),
    raw("no-byte", b""),
    raw("no-byte-reset", b"", resets=True),
    raw("no-http", b"SSH-2.0-OpenSSH_9.6\r\n"),
    raw("cut-in-headers", b"HTTP/1.1 200 OK\r\ncontent-ty"),
    raw("reset-in-headers", b"HTTP/1.1 200 OK\r\ncontent-ty", resets=True),
    raw("endless-header", b"HTTP/1.1 200 OK\r\n" + LONG_HEADER),
    raw("shorter-than-said", OK + b"content-length: 1000\r\n\r\n" + BEGUN),
    raw("reset-in-body", OK + b"content-length: 1000\r\n\r\n" + BEGUN, resets=True),
    raw("cut-in-chunk", OK + b"transfer-encoding: chunked\r\n\r\nff\r\n" + BEGUN),
    raw("bad-chunk", OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + BEGUN + b"\r\n"),
    raw("no-last-chunk", OK + b"transfer-encoding: chunked\r\n\r\n4\r\nnull\r\n"),
    raw("no-gzip", OK + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nnull"),
)
