"""Our ears on an engine: what its driver does is bounded, counted and understood."""

from .driving import connect_arguments, listen_to_dialing, listen_to_driver

__all__ = ["connect_arguments", "listen_to_dialing", "listen_to_driver"]
