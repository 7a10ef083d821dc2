"""Where in its conversation a connection is, told from the bytes that pass.

    the client speaks first --> PostgreSQL
    the server greets first --> MySQL, MariaDB

Only the type of each message and the words of each statement are read. Encrypted connections
can't be followed.
"""

from .mysql import MysqlConversation
from .phases import Conversation, Phase
from .postgres import PostgresConversation

__all__ = ["Conversation", "MysqlConversation", "Phase", "PostgresConversation"]
