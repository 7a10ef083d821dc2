"""A guard for calls that others make: those of the vendors' official SDKs, or of any client."""

from .calls import Guard, SDKCall
from .estimate import Estimate
from .keyring import Keyring

__all__ = ["Estimate", "Guard", "Keyring", "SDKCall"]
