"""Which server: several hosts of one database, who may log in there, who counts as gone.

addresses   the hosts that a URL names, and the role one must have
seeking     the first of them that answers and has it; roles: what a server says of itself
credentials who logs in, fetched beforehand and once more when refused
vanishing   what a server does about a client that is no longer there
"""

from .credentials import Credentials, CredentialsProvider

__all__ = ["Credentials", "CredentialsProvider"]
