"""A vendor on loopback that says what it is told to say, and the service that asks it."""

import json
from contextlib import asynccontextmanager

from aiohttp import web

from koo.ai import AIService, ServiceConfig

from .conftest import PRICES

#: The most that a call may take; more is never asked for here.
MOST = 100
TEXT = "because it scatters"
#: How the base URLs of the others end.
_ENDS = {"claude": "", "gemini": "", "perplexity": ""}


def chat(usage, text=TEXT, **more):
    """A whole answer of OpenAI's chats."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice], "usage": usage, **more}


def chat_events(usage, text=TEXT, **more):
    """The same as a stream."""
    frame = {"object": "chat.completion.chunk", **more}
    return [
        {**frame, "choices": [{"index": 0, "delta": {"content": text}}]},
        {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**frame, "choices": [], "usage": usage},
    ]


def response(usage, text=TEXT, **more):
    """A whole answer of OpenAI's responses."""
    message = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return {"status": "completed", "output": [message], "usage": usage, **more}


def response_events(usage, text=TEXT, **more):
    """The same as a stream."""
    whole = {"type": "response.completed", "response": response(usage, text, **more)}
    return [{"type": "response.output_text.delta", "delta": text}, whole]


def message(usage, text=TEXT):
    """A whole answer of Anthropic's."""
    content = [{"type": "text", "text": text}]
    return {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}


def message_events(usage, text=TEXT):
    """The same as a stream, whose output is counted at the end."""
    first = {name: usage[name] for name in usage if name != "output_tokens"}
    last = {name: usage[name] for name in usage if name == "output_tokens"}
    delta = {"type": "text_delta", "text": text}
    return [
        {"type": "message_start", "message": {"content": [], "usage": first}},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        {"type": "message_stop"},
    ]


def candidates(usage, text=TEXT):
    """A whole answer of Gemini's, and the one event of its stream."""
    content = {"parts": [{"text": text}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP"}],
        "usageMetadata": usage,
    }


def events(documents):
    """*documents* as the body of a stream."""
    return b"".join(
        f"event: {one.get('type', 'message')}\ndata: {json.dumps(one)}\n\n".encode()
        for one in documents
    )


@asynccontextmanager
async def served(name, said, **settings):
    """The service *name*, whose vendor says *said*: a document, or a list of a stream's events."""

    async def answer(request):
        await request.read()
        if isinstance(said, list):
            return web.Response(body=events(said), content_type="text/event-stream")
        return web.json_response(said)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{_ENDS.get(name, '/v1')}"
    settings = {"api_key": "test-key", "max_tokens": MOST, **settings}
    service = AIService(ServiceConfig(name=name, base_url=url, **settings), prices=PRICES)
    try:
        yield service
    finally:
        await service.close()
        await runner.cleanup()


async def heard(service, said, prompt="why?"):
    """What *service* answers to *prompt*, in the way in which *said* is said."""
    if isinstance(said, list):
        return "".join([piece async for piece in service.stream(prompt)])
    return await service.query(prompt)
