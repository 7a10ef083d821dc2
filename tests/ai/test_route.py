"""A request takes the way that the configuration names: through a proxy, to a trusted server."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme

from koo.ai import NOTHING, ServiceConfig, connect
from koo.errors import InvalidRequestError, ServiceConnectionError
from koo.testing import free_port

from .asking import question

PASSWORD = "password-that-must-not-be-seen"
GOOD = {
    "content": [{"type": "text", "text": "Because."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


class Server:
    """Says the same to every request, and keeps what it was sent; a proxy if asked like one."""

    def __init__(self, status=200, tls=None):
        self.status, self.tls, self.heads = status, tls, []

    async def answer(self, reader, writer):
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = json.dumps(GOOD)
        head = f"HTTP/1.1 {self.status} Whatever\r\nconnection: close\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self):
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0, ssl=self.tls)
        async with server:
            yield server.sockets[0].getsockname()[1]


async def _complete(**settings):
    config = ServiceConfig(name="claude", api_key="test-key", **settings)
    provider = connect(config)
    try:
        return await provider.complete(provider.prepare(question("x", "m", 1)))
    finally:
        await provider.close()


@pytest.mark.integration
async def test_a_request_goes_through_the_proxy_with_its_name_and_password():
    proxy = Server()
    async with proxy.listening() as port:
        address = f"http://me:{PASSWORD}@127.0.0.1:{port}"
        answer = await _complete(base_url="http://api.example.com", proxy=address)
    assert answer.text == "Because."
    [head] = proxy.heads
    assert head.startswith("POST http://api.example.com/v1/messages HTTP/1.1\r\n")
    told = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert f"Proxy-Authorization: Basic {told}" in head


@pytest.mark.integration
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (407, InvalidRequestError, "the proxy wants a name and a password; correct its address"),
        (403, ServiceConnectionError, r"the proxy refused to connect \(HTTP 403\); look at"),
        (502, ServiceConnectionError, r"the proxy refused to connect \(HTTP 502\); look at"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_named_and_nothing_was_sent(status, error, words):
    proxy = Server(status)
    async with proxy.listening() as port:
        address = f"http://me:{PASSWORD}@127.0.0.1:{port}"
        with pytest.raises(error, match=words) as caught:
            await _complete(base_url="https://api.example.com", proxy=address)
    assert proxy.heads[0].startswith("CONNECT api.example.com:443 ")
    assert "test-key" not in proxy.heads[0]
    assert caught.value.usage is NOTHING
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.integration
async def test_a_proxy_that_is_not_there_is_named_without_its_password():
    address = f"http://me:{PASSWORD}@127.0.0.1:{free_port()}"
    with pytest.raises(ServiceConnectionError, match="the proxy can't be reached") as caught:
        await _complete(base_url="https://api.example.com", proxy=address)
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert PASSWORD not in f"{caught.value!r} {cause!r} {vars(cause)}"
    assert caught.value.__context__ is None


@pytest.mark.integration
async def test_a_server_is_trusted_if_the_bundle_knows_its_authority(tmp_path):
    authority, bundle = trustme.CA(), str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(bundle)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    server = Server(tls=tls)
    async with server.listening() as port:
        address = f"https://127.0.0.1:{port}"
        assert (await _complete(base_url=address, ca_bundle=bundle)).text == "Because."
        with pytest.raises(ServiceConnectionError, match="certificate is not trusted") as caught:
            await _complete(base_url=address)
    assert caught.value.usage is NOTHING
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy:3128",
        "https://proxy.example.com",
        "http://me:secret@10.0.0.1:8080/",
        "http://[::1]:3128",
    ],
)
def test_a_proxy_may_have_a_name_and_a_password(proxy):
    config = ServiceConfig(name="claude", proxy=proxy)
    assert config.proxy == proxy
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy:3128", "socks5://proxy:1080", "http://", "http://proxy:0", "http://proxy:99999",
        "http://proxy/path", "http://proxy?x=1", "http://pro xy", "http://[::1",
        f"http://me:{PASSWORD}@",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_being_repeated(proxy):
    with pytest.raises(ValueError, match="^claude: AI_CLAUDE_PROXY is not an address") as caught:
        ServiceConfig(name="claude", proxy=proxy)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("path", ["/nowhere.pem", "/", __file__])
def test_a_bundle_without_certificates_is_refused_at_birth(path):
    with pytest.raises(ValueError, match="^claude: AI_CLAUDE_CA_BUNDLE can't be read"):
        ServiceConfig(name="claude", ca_bundle=path)
