"""AI services: ask one, and be told plainly when it can't answer.

A service is a provider behind a policy: a circuit breaker, request limits and a
daily budget that is reserved before a call and settled after it.
"""

from .answering import Response, is_worth_another
from .asking import (
    Image,
    Message,
    Prompt,
    Question,
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from .config import VENDORS, CacheConfig, ServiceConfig, Vendor
from .manager import AIManager
from .pacing import PacedAsk, PacedSpent, Pacer, PacerStats, Told, Urge, WindowTold, read_windows
from .pricing import Price, PriceTable, TokenPrice
from .provider import NOTHING, Completion, Heard, Provider, Request, Usage
from .providers import HTTPProvider, Sessions, Wire, connect
from .rotation import Rotation
from .sdk import Estimate, SDKCall
from .service import AIService
from .streaming import AIStream, Times
from .verdicts import Phase, Rule, Surface, Verdict, billed, classify, judge

__all__ = [
    "NOTHING",
    "VENDORS",
    "AIManager",
    "AIService",
    "AIStream",
    "CacheConfig",
    "Completion",
    "Estimate",
    "HTTPProvider",
    "Heard",
    "Image",
    "Message",
    "PacedAsk",
    "PacedSpent",
    "Pacer",
    "PacerStats",
    "Phase",
    "Price",
    "PriceTable",
    "Prompt",
    "Provider",
    "Question",
    "Request",
    "Response",
    "Rotation",
    "Rule",
    "SDKCall",
    "ServiceConfig",
    "Sessions",
    "Surface",
    "Thought",
    "Times",
    "TokenPrice",
    "Told",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Urge",
    "Usage",
    "Vendor",
    "Verdict",
    "WindowTold",
    "Wire",
    "billed",
    "classify",
    "connect",
    "is_worth_another",
    "judge",
    "read_windows",
]
