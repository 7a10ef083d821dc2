"""What an AI service is told at birth: who it is, its limits, and the way to it."""

from .cache import CacheConfig
from .route import is_base_url, is_proxy, trust_in
from .service import VENDORS, ServiceConfig, Vendor

__all__ = [
    "VENDORS",
    "CacheConfig",
    "ServiceConfig",
    "Vendor",
    "is_base_url",
    "is_proxy",
    "trust_in",
]
