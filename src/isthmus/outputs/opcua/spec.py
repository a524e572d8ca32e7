# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of our OPC UA server."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from isthmus.systems.contract import Spec

Security = Literal[
    "None",
    "Basic256Sha256/Sign",
    "Basic256Sha256/SignAndEncrypt",
    "Aes128_Sha256_RsaOaep/Sign",
    "Aes128_Sha256_RsaOaep/SignAndEncrypt",
    "Aes256_Sha256_RsaPss/Sign",
    "Aes256_Sha256_RsaPss/SignAndEncrypt",
]

SECURE: Final[tuple[Security, ...]] = (
    "Basic256Sha256/SignAndEncrypt",
    "Aes128_Sha256_RsaOaep/SignAndEncrypt",
    "Aes256_Sha256_RsaPss/SignAndEncrypt",
)

_FORM: Final = "write an address and a port: 127.0.0.1:4840, 192.168.10.5:4840, [::1]:4840, or 0.0.0.0:4840 for all"


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare and bare == host:
        raise ValueError(f"{text!r} is no address to listen on; {_FORM}")
    try:
        ipaddress.ip_address(bare)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address to listen on; {_FORM}") from error
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise ValueError(f"{text!r} is no address to listen on; {_FORM}")
    return text


class OpcUaServerSpec(Spec):
    """An OPC UA server in Isthmus that shows the plant: types, assets, tags with their values, and their history."""

    listen: Annotated[str, AfterValidator(_address)] = Field(
        "127.0.0.1:4840",
        description="Address and port, as numbers. Other machines reach it only when it says so, with `users` and "
        "without `None` and `anonymous`.",
        examples=["127.0.0.1:4840", "192.168.10.5:4840", "0.0.0.0:4840"],
    )
    security: list[Security] = Field(
        list(SECURE),
        min_length=1,
        description="Security policies and modes that clients may choose from. `None` lets everything travel in the "
        "clear, but for passwords.",
    )
    users: SecretStr | None = Field(
        None, description="Who may sign in: a secret with a line `name:password` for each; written `!secret name`."
    )
    anonymous: bool = Field(False, description="Let clients in without a user name.")
    sessions: int = Field(50, ge=1, le=500, description="Clients at a time.")

    @model_validator(mode="after")
    def _who(self) -> OpcUaServerSpec:
        if self.users is None and not self.anonymous:
            raise ValueError("nobody could sign in; write users: !secret name, or anonymous: true")
        if not self.is_local and (self.users is None or self.anonymous or "None" in self.security):
            raise ValueError(
                f"other machines reach {self.listen}: that takes users, and neither anonymous: true nor None among "
                "security; without them, listen on 127.0.0.1"
            )
        return self

    @property
    def host(self) -> str:
        """As numbers, without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def is_local(self) -> bool:
        """Only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback
