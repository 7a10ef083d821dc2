"""Our ears on an engine: what its driver does is bounded, counted and understood.

dialing        a new connection; sending: statements, COMMIT, ROLLBACK
preparing      what a transaction asks of its connection beforehand, and how that goes back
understanding  what went wrong; dialects: what each database wants otherwise
server_limit   how long the server itself works for one whose deadline is known
"""

from .dialects import listen_to_driver
from .dialing import Destination, connect_arguments, listen_to_dialing

__all__ = ["Destination", "connect_arguments", "listen_to_dialing", "listen_to_driver"]
