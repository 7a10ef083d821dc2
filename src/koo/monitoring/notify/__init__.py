"""Telling people: who is told what, when, and how it gets there."""

from __future__ import annotations

from .channels import Alertmanager, Channel, Webhook
from .chat import Chat
from .courier import Courier, CourierConfig, CourierStats
from .mutebook import MuteBook
from .mutes import Acknowledgement, Mutes, Silence
from .outbox import Attendance, Letter, Outbox, OutboxStats
from .posting import Address, DeliveryError
from .retelling import Retelling
from .routing import Book, Group, Message, RoutingConfig, decide

__all__ = [
    "Acknowledgement",
    "Address",
    "Alertmanager",
    "Attendance",
    "Book",
    "Channel",
    "Chat",
    "Courier",
    "CourierConfig",
    "CourierStats",
    "DeliveryError",
    "Group",
    "Letter",
    "Message",
    "MuteBook",
    "Mutes",
    "Outbox",
    "OutboxStats",
    "Retelling",
    "RoutingConfig",
    "Silence",
    "Webhook",
    "decide",
]
