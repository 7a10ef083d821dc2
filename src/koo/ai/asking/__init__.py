"""What a call carries: texts, pictures, tools, a schema, and what it may cost."""

from .content import (
    Image,
    Message,
    Part,
    Role,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
    document_of,
    said,
)
from .prompts import Prompt, Question, ToolChoice
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
    "Thought",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "document_of",
    "said",
]
