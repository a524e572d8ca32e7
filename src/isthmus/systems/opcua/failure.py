# SPDX-License-Identifier: Apache-2.0
"""What asyncua and the network raise becomes Disconnected or Refused, in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from asyncua import ua

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.systems.opcua.wire import Malformed

log = structlog.get_logger("opcua")

_USER: Final = {"BadUserAccessDenied", "BadIdentityTokenRejected", "BadIdentityTokenInvalid", "BadUserSignatureInvalid"}
_US: Final = {
    "BadSecurityChecksFailed",
    "BadCertificateUntrusted",
    "BadCertificateInvalid",
    "BadCertificateUriInvalid",
    "BadCertificateTimeInvalid",
    "BadCertificateUseNotAllowed",
    "BadCertificateChainIncomplete",
    "BadCertificateRevocationUnknown",
    "BadApplicationSignatureInvalid",
}
TOO_MUCH: Final = {
    "BadTooManyOperations",
    "BadRequestTooLarge",
    "BadResponseTooLarge",
    "BadEncodingLimitsExceeded",
    "BadTcpMessageTooLarge",
}
"""Results that say: ask for less at once."""
SESSION_GONE: Final = {"BadSessionIdInvalid", "BadSessionClosed", "BadSessionNotActivated"}
SUBSCRIPTION_GONE: Final = {"BadSubscriptionIdInvalid", "BadNoSubscription"}


def status_name(error: BaseException) -> str:
    """The standard's name of the StatusCode an error carries; empty when it carries none."""
    return ua.status_codes.get_name_and_doc(error.code)[0] if isinstance(error, ua.UaStatusCodeError) else ""


def explain(error: BaseException, url: str) -> IsthmusError:
    """`error` as one of ours."""
    if isinstance(error, IsthmusError):
        return error
    if isinstance(error, ua.UaStatusCodeError):
        return _status(error, url)
    if isinstance(error, TimeoutError):
        return Disconnected("no answer in time", where=url)
    if isinstance(error, ConnectionRefusedError):
        return Disconnected("nothing listens there (connection refused)", where=url)
    if isinstance(error, OSError):
        return Disconnected(error.strerror or str(error) or "the connection is closed", where=url)
    if not isinstance(error, ua.UaError | Malformed):
        log.error("unexpected failure", url=url, exc_info=error)
    return Disconnected(str(error) or type(error).__name__, where=url)


def _status(error: ua.UaStatusCodeError, url: str) -> IsthmusError:
    name, meaning = ua.status_codes.get_name_and_doc(error.code)
    if name in _USER:
        return Refused(f"the server does not accept the user ({name})", where=url, hint="check user and password")
    if name in _US:
        hint = "trust our certificate on the server: it is own.der in the pki folder of the data directory"
        return Disconnected(f"the server does not accept our certificate ({name})", where=url, hint=hint)
    return Disconnected(f"{name}: {meaning.rstrip('.')}", where=url)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """What goes wrong inside is raised as one of ours."""
    try:
        yield
    except Exception as error:  # the edge of the driver: asyncua raises many kinds on a broken peer
        raise explain(error, url) from error
