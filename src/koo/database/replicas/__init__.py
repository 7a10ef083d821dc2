"""Standbys for reading: which of them are fresh, and a session on one.

reading  who is asked what, and who is read
stats    what replicas look like from outside
"""

from .reading import Readers
from .stats import ReplicaStats

__all__ = ["Readers", "ReplicaStats"]
