# SPDX-License-Identifier: Apache-2.0
"""Certificates live in `pki/`: our own, made at the first start, and those of servers we trust or have turned away.

`own.der` and `own.key.pem` are ours. A server is trusted when its certificate, or the authority that issued it, lies in
`trusted/`; the certificate of an unknown one is put into `rejected/`, from where a person may move it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.systems.opcua.spec import OpcUaSpec

if TYPE_CHECKING:
    from asyncua import Client

YEARS: Final = 10
"""How long our own certificate is valid: a plant must not stop because of a date nobody wrote down."""
MOST_REJECTED: Final = 100

_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def folder(data: Path) -> Path:
    """The `pki` folder of a data directory, made when missing."""
    pki = data / "pki"
    for place in (pki, pki / "trusted", pki / "rejected"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return pki


def own(pki: Path, name: str = "own") -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Our certificate and key, made when missing. Two processes that start at once end with the same pair.

    `own` is who we are as a client; under another name we are a server, with an application URI of its own.
    """
    key_file, certificate_file = pki / f"{name}.key.pem", pki / f"{name}.der"
    if not key_file.exists():
        new = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _publish(key_file, new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key")
        if not certificate_file.exists():
            _publish(certificate_file, _self_signed(key, name).public_bytes(Encoding.DER))
        certificate = x509.load_der_x509_certificate(certificate_file.read_bytes())
    except ValueError as error:
        hint = f"remove {name}.der and {name}.key.pem: new ones are made, and must be trusted on the other side"
        raise IsthmusError(f"our certificate cannot be read: {error}", where=str(pki), hint=hint) from error
    return certificate, key


def _publish(file: Path, data: bytes) -> None:
    """Writes `file` (mode 0600) unless somebody else was quicker."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()


def _self_signed(key: rsa.RSAPrivateKey, name_: str) -> x509.Certificate:
    """An application instance certificate as Part 6, 6.2.2 wants it."""
    host, client = socket.gethostname(), name_ == "own"
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Isthmus"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, host)]
    )
    now = datetime.now(UTC)
    uri = f"urn:{host}:isthmus" if client else f"urn:{host}:isthmus:{name_}"
    names = [x509.UniformResourceIdentifier(uri), x509.DNSName(host)]
    names += [] if client else [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    usage = x509.KeyUsage(True, True, True, True, False, True, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([_CLIENT if client else _SERVER]), critical=False)
        .sign(key, hashes.SHA256())
    )


def application_uri(certificate: x509.Certificate) -> str:
    """The application URI in a certificate; empty when it has none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def check_server(certificate: x509.Certificate, pki: Path, url: str) -> None:
    """Raises Disconnected, saying what a person can do, unless `certificate` is trusted and valid now."""
    if not is_trusted(certificate, pki, url):
        file = reject(certificate, pki)
        raise Disconnected(
            f"the server's certificate is not trusted ({subject(certificate)}, {_thumbprint(certificate)[:16]})",
            where=url,
            hint=f"if this is the right server, move {file} to {pki / 'trusted'}",
        )
    if not is_valid(certificate):
        span = f"{certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        raise Disconnected(
            f"the server's certificate is only valid from {span}",
            where=url,
            hint="renew it on the server, or mend a clock",
        )


def is_valid(certificate: x509.Certificate) -> bool:
    """Now is within the time it is valid."""
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def is_trusted(certificate: x509.Certificate, pki: Path, url: str = "") -> bool:
    """It, or the authority that issued it, lies in `trusted/`; a server's of an authority must name the url's host."""
    for file in sorted((pki / "trusted").iterdir()):
        known = _load(file)
        if known is None:
            continue
        if known == certificate or (_issued(certificate, known) and (not url or _names_host(certificate, url))):
            return True
    return False


def _load(file: Path) -> x509.Certificate | None:
    try:
        data = file.read_bytes()
        return x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
    except (ValueError, OSError):
        return None


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return constraints.ca and authority.not_valid_after_utc >= datetime.now(UTC)


def _names_host(certificate: x509.Certificate, url: str) -> bool:
    """An authority vouches for many servers: the certificate must name the host we meant."""
    host = (urlsplit(url).hostname or "").lower()
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if host in (name.lower() for name in names.get_values_for_type(x509.DNSName)):
        return True
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return False


def reject(certificate: x509.Certificate, pki: Path) -> Path:
    """Puts the certificate into `rejected/`, which never holds more than a hundred."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", subject(certificate)).strip("-.")[:60] or "server"
    file = pki / "rejected" / f"{name}-{_thumbprint(certificate)[:16]}.der"
    older = sorted((pki / "rejected").glob("*.der"), key=lambda other: other.stat().st_mtime)
    for other in older[: max(0, len(older) - MOST_REJECTED + 1)]:
        other.unlink(missing_ok=True)
    file.write_bytes(certificate.public_bytes(Encoding.DER))
    return file


def _thumbprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def subject(certificate: x509.Certificate) -> str:
    """What the certificate calls its owner."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "no name"


async def secure(client: Client, spec: OpcUaSpec, pki: Path, url: str) -> None:
    """Sets the client up for the channel `spec` asks for, after checking the server's certificate."""
    from asyncua import ua
    from asyncua.crypto import security_policies, uacrypto

    certificate, key = own(pki)
    if certificate.not_valid_after_utc < datetime.now(UTC):
        hint = f"remove {pki / 'own.der'}: a new one is made, and must be trusted on the server"
        raise Refused(
            f"our own certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}", where=url, hint=hint
        )
    policy = getattr(security_policies, f"SecurityPolicy{spec.policy.replace('_', '')}")
    mode = getattr(ua.MessageSecurityMode, spec.mode)
    endpoints = await client.connect_and_get_server_endpoints()
    offered = [e for e in endpoints if e.SecurityPolicyUri == policy.URI and e.SecurityMode == mode]
    if not offered:
        raise Refused(f"the server does not offer {spec.security}", where=url, hint=f"it offers {_offers(endpoints)}")
    try:
        server = uacrypto.x509_from_der(offered[0].ServerCertificate)
    except ValueError as error:
        raise Disconnected(f"the server's certificate cannot be read: {error}", where=url) from error
    if server is None:
        raise Disconnected("the server shows no certificate", where=url)
    check_server(server, pki, url)
    client.application_uri = application_uri(certificate)
    client.security_policy = policy(server, certificate, key, mode)
    client.uaclient.set_security(client.security_policy)


def _offers(endpoints: list[object]) -> str:
    names = {
        (uri.rpartition("#")[2], getattr(endpoint, "SecurityMode").name.rstrip("_"))  # noqa: B009  (asyncua is untyped)
        for endpoint in endpoints
        if isinstance(uri := getattr(endpoint, "SecurityPolicyUri", None), str)
    }
    return ", ".join(sorted("None" if policy == "None" else f"{policy}/{mode}" for policy, mode in names)) or "nothing"


async def load_user(client: Client, certificate: Path, key: Path) -> None:
    """Sets the certificate that says who the user is."""
    for file in (certificate, key):
        if not file.is_file():
            raise Refused(f"{file} is missing", hint="paths of user_certificate and user_key are relative to pki/")
    try:
        await client.load_client_certificate(str(certificate))
        await client.load_private_key(key)
    except ValueError as error:
        raise Refused(f"the user's certificate or key cannot be read: {error}", where=str(certificate)) from error
