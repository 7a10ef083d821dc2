"""AI providers on loopback, over real HTTP, with every way to fail. Needs aiohttp.

A request passes the vendor's dialect, the script of faults and the limits of the minute; the
answer goes out whole, slow, cut or not at all. Whoever asks for a scenario gets its bytes.
"""

from __future__ import annotations

from .faults import Endpoint, Fault
from .meter import Bucket, Meter
from .provider_simulator import Simulator
from .received import Received
from .scenarios import SCENARIOS, Scenario

__all__ = ["SCENARIOS", "Bucket", "Endpoint", "Fault", "Meter", "Received", "Scenario", "Simulator"]
