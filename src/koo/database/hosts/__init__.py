"""Which server: several hosts of one database, who may log in there, and which may be read.

addresses   the hosts that a URL names, and the role one must have
seeking     the first of them that answers and has it; roles: what a server says of itself
credentials who logs in, fetched beforehand and once more when refused
replicas    standbys for reading, each only as long as it is known to be fresh
vanishing   what a server does about a client that is no longer there
"""

from .credentials import Credentials, CredentialsProvider
from .stats import ReplicaStats

__all__ = ["Credentials", "CredentialsProvider", "ReplicaStats"]
