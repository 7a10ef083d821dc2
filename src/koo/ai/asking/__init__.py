"""What a call carries: texts, pictures, tools, a schema, and what it may cost."""

from .content import Image, Message, Part, Role, Tool, ToolCall, ToolResult, said
from .prompts import Prompt, Question
from .purse import CostLimit, Purse

__all__ = [
    "CostLimit",
    "Image",
    "Message",
    "Part",
    "Prompt",
    "Purse",
    "Question",
    "Role",
    "Tool",
    "ToolCall",
    "ToolResult",
    "said",
]
