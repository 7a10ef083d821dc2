"""What an exchange that broke means, told without what aiohttp keeps of it.

    could not connect, or not through the proxy --> nothing was sent, nothing is owed
    broke later ---------------------------------> sent; what it costs is unknown

aiohttp's errors hold the request with its key, the proxy's password or pieces of the answer,
and whoever reports an error may write down its causes whole. So the cause that is handed on is
the operating system's, or there is none.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    InvalidURL,
)

from ...errors import ExternalServiceError, InvalidRequestError, ServiceConnectionError
from ..provider import NOTHING

__all__ = ["broken"]


def broken(service: str, error: ClientError | OSError) -> ExternalServiceError:
    """The error of *service* that *error* means; raise it outside of the ``except``."""
    found = _found(service, error)
    found.__cause__ = _innocent(error)
    return found


def _found(service: str, error: ClientError | OSError) -> ExternalServiceError:
    name = type(error).__name__
    match error:
        case InvalidURL():
            return _invalid(service, "its base URL is not an address; correct it")
        case ClientHttpProxyError(status=HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
            return _invalid(service, "the proxy wants a name and a password; correct its address")
        case ClientHttpProxyError():
            what = f"the proxy refused to connect (HTTP {error.status}); look at the proxy"
        case ClientProxyConnectionError():
            what = "the proxy can't be reached; look at it, or at the network"
        case ClientConnectorCertificateError():
            what = "the service's certificate is not trusted; set a CA bundle that knows it"
        case ClientConnectorError():
            what = f"the service can't be reached ({name}); try again, or look at the network"
        case _:
            what = f"the service broke the connection ({name}); try again, or look at the network"
            return ServiceConnectionError(service, what)
    return ServiceConnectionError(service, what, usage=NOTHING)


def _invalid(service: str, detail: str) -> ExternalServiceError:
    return InvalidRequestError(service, detail, usage=NOTHING)


def _innocent(error: Exception) -> Exception | None:
    match error:
        case ClientConnectorError():
            return error.os_error
        case OSError():
            return error
        case _:
            return None
