"""The first server that answers and suits is taken, whatever the others do."""

import asyncio

import pytest
from sqlalchemy import exc

from koo.database.hosts.addresses import Address, Role
from koo.database.hosts.seeking import Hosts, Unsuitable

ONE, TWO, THREE = Address("one"), Address("two"), Address("three")


class Network:
    """Servers that answer after some time, with a connection or with an error."""

    def __init__(self, **answers):
        self.answers = answers
        self.dialed = []
        self.closed = []

    async def dial(self, address):
        self.dialed.append(address.host)
        seconds, error = self.answers[address.host]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.closed.append(address.host)
            raise
        if error is not None:
            raise error
        return Connected(self, address.host)


class Connected:
    def __init__(self, network, host):
        self.network = network
        self.host = host

    def close(self):
        self.network.closed.append(self.host)


async def test_the_only_one_is_simply_dialed():
    network = Network(one=(0.1, ConnectionRefusedError()))
    with pytest.raises(ConnectionRefusedError):
        await Hosts([ONE]).find(network.dial)


async def test_one_that_went_dark_costs_a_quarter_of_a_second_and_only_once():
    loop, network = asyncio.get_running_loop(), Network(one=(600, None), two=(0.01, None))
    hosts, began = Hosts([ONE, TWO]), loop.time()
    assert (await hosts.find(network.dial)).host == "two"
    assert loop.time() - began == pytest.approx(0.26)
    await asyncio.sleep(0)
    assert network.closed == ["one"]
    assert (await hosts.find(network.dial)).host == "two"
    assert network.dialed == ["one", "two", "two"]


async def test_one_that_fails_costs_no_time():
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    refused = (0.01, ConnectionRefusedError())
    network = Network(one=refused, two=(0.01, Unsuitable(Role.READ_WRITE)), three=(0.01, None))
    assert (await Hosts([ONE, TWO, THREE]).find(network.dial)).host == "three"
    assert loop.time() - began == pytest.approx(0.03)


async def test_all_that_were_dialed_are_waited_for():
    network = Network(one=(1.0, ConnectionRefusedError()), two=(2.0, None))
    assert (await Hosts([ONE, TWO]).find(network.dial)).host == "two"


async def test_who_arrives_in_the_same_instant_as_the_winner_is_closed():
    network = Network(one=(0.35, None), two=(0.1, None))
    found = await Hosts([ONE, TWO]).find(network.dial)
    await asyncio.sleep(1)
    assert network.closed == [{"one": "two", "two": "one"}[found.host]]


class Refused(exc.OperationalError):
    def __init__(self):
        super().__init__(None, None, Exception("password authentication failed"))


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (Unsuitable(Role.PRIMARY), ConnectionRefusedError(), ConnectionRefusedError),
        (ConnectionRefusedError(), Refused(), Refused),
        (Unsuitable(Role.PRIMARY), Unsuitable(Role.PRIMARY), Unsuitable),
    ],
)
async def test_if_none_is_found_the_error_that_says_most_is_told(first, second, told):
    network = Network(one=(0, first), two=(0, second))
    with pytest.raises(told):
        await Hosts([ONE, TWO]).find(network.dial)


async def test_who_gives_up_leaves_nothing_under_way():
    network = Network(one=(600, None), two=(600, None))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await Hosts([ONE, TWO]).find(network.dial)
    await asyncio.sleep(0)
    assert sorted(network.closed) == ["one", "two"]


async def test_what_is_no_ordinary_error_passes_at_once():
    network = Network(one=(0, asyncio.CancelledError()), two=(600, None))
    with pytest.raises(asyncio.CancelledError):
        await Hosts([ONE, TWO]).find(network.dial)
