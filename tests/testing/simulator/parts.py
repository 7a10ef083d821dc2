"""The pieces in which an answer comes, and how it ends."""

import asyncio

import aiohttp

from .conftest import completion


async def parts_of(client, service, *, stream=True, enough=None):
    """The bytes of an answer, each time as they came, and what ended it.

    Once all that came is *enough*, more is waited for half a second: TimeoutError ended it then.
    """
    path, headers, body = completion(service, stream=stream)
    parts, url = [], client.simulator.base_url(service) + path
    try:
        async with (
            _Patience(enough) as patience,
            client.session.post(url, headers=headers, json=body) as response,
        ):
            async for part in response.content.iter_any():
                parts += [part]
                patience.see(b"".join(parts))
    except (aiohttp.ClientError, TimeoutError) as error:
        return parts, type(error)
    return parts, None


class _Patience:
    def __init__(self, enough):
        self._enough = enough
        self._limit = asyncio.timeout(30.0)

    async def __aenter__(self):
        await self._limit.__aenter__()
        self.see(b"")
        return self

    async def __aexit__(self, *raised):
        return await self._limit.__aexit__(*raised)

    def see(self, came):
        """Begin to lose it with the first that is enough."""
        if self._enough and self._enough(came):
            self._enough = None
            self._limit.reschedule(asyncio.get_running_loop().time() + 0.5)
