# SPDX-License-Identifier: Apache-2.0
"""Who gets in: trusted certificates and right passwords over an encrypted channel, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography.hazmat.primitives.serialization import Encoding

from isthmus.core.errors import Refused
from isthmus.outputs.opcua.server import OpcUaServer
from isthmus.outputs.opcua.spec import OpcUaServerSpec
from tests.opcua.certificates import Pair, make
from tests.opcuaserver.house import REACTOR, TEMPERATURE, URI, House, house, revision, surroundings
from tests.peers.opcua_client_peer import OpcUaClient, Refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = "urn:test:peer"
USERS = "reader:secret\nother: a:b \n"
POLICIES = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    offered = [f"{policy}/{mode}" for policy in POLICIES for mode in ("Sign", "SignAndEncrypt")]
    async with house(tmp_path_factory.mktemp("secure"), users=USERS, security=offered) as made:
        await made.tell(TEMPERATURE, 42.0)
        yield made


@pytest.fixture(scope="module")
def known(secure: House) -> Pair:
    """A client's certificate that is trusted."""
    pair = make("peer", uri=WHO)
    trust(secure, pair)
    return pair


def trust(secure: House, pair: Pair) -> None:
    trusted = secure.data / "pki" / "clients" / "trusted"
    (trusted / f"{pair.certificate.serial_number}.der").write_bytes(pair.certificate.public_bytes(Encoding.DER))


async def asked(
    secure: House, pair: Pair, policy: str, mode: str = "SignAndEncrypt", user: str = "reader",
    password: str = "secret", uri: str = WHO,
) -> float:  # fmt: skip
    """The temperature, as asyncua's client reads it."""
    client = Client(secure.url, timeout=90)
    client.application_uri = uri
    if user:
        client.set_user(user)
        client.set_password(password)
    way = getattr(security_policies, f"SecurityPolicy{policy.replace('_', '')}")
    files = pair.write(secure.data / "client", str(pair.certificate.serial_number))
    await client.set_security(way, *files, mode=getattr(ua.MessageSecurityMode, mode))
    async with client:
        index = await client.get_namespace_index(URI)
        found: float = await client.get_node(f"ns={index};s={REACTOR}/temperature").read_value()
        return found


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_policy_lets_a_known_client_in(secure: House, known: Pair, policy: str, mode: str) -> None:
    assert await asked(secure, known, policy, mode) == 42.0


async def test_node_opcua_gets_in_once_its_certificate_is_trusted(secure: House, tmp_path: Path) -> None:
    pair = make("node", uri="urn:test:node")
    certificate, key = pair.write(tmp_path, "node")
    given = {
        "certificate": certificate, "key": key, "uri": "urn:test:node", "user": "reader", "password": "secret",
        "security": "Aes256_Sha256_RsaPss/SignAndEncrypt",
    }  # fmt: skip
    with pytest.raises(Refusal):
        async with OpcUaClient(tmp_path, secure.url, URI, **given):
            pytest.fail("it got in")
    (rejected,) = (secure.data / "pki" / "clients" / "rejected").glob("node-*.der")
    rejected.rename(secure.data / "pki" / "clients" / "trusted" / rejected.name)
    async with OpcUaClient(tmp_path, secure.url, URI, **given) as client:
        (found,) = (await client.do("read", nodes=[f"{REACTOR}/temperature"]))["values"]
        assert found["value"] == 42
    with pytest.raises(Refusal, match=r"0x801f0000|BadUserAccessDenied"):
        async with OpcUaClient(tmp_path, secure.url, URI, **{**given, "password": "wrong"}):
            pytest.fail("it got in")


@pytest.mark.parametrize(("user", "password"), [("reader", "Secret"), ("nobody", "secret"), ("reader", ""), ("", "")])
async def test_other_names_and_passwords_do_not_get_in(secure: House, known: Pair, user: str, password: str) -> None:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await asked(secure, known, "Basic256Sha256", user=user, password=password)
    assert refused.value.code in (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadIdentityTokenRejected)


async def test_a_certificate_that_is_expired_unknown_or_another_one_s_does_not_get_in(
    secure: House, known: Pair
) -> None:
    expired = make("late", uri=WHO, days=(-30, -1))
    trust(secure, expired)
    for pair, uri in ((expired, WHO), (make("stranger", uri=WHO), WHO), (known, "urn:somebody:else")):
        with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
            await asked(secure, pair, "Basic256Sha256", uri=uri)
    assert list((secure.data / "pki" / "clients" / "rejected").glob("stranger-*.der"))
    assert not list((secure.data / "pki" / "clients" / "rejected").glob("late-*.der"))


async def test_an_authority_s_certificate_vouches_for_its_clients(secure: House) -> None:
    authority = make("authority", authority=True)
    trust(secure, authority)
    assert await asked(secure, make("one of them", uri=WHO, issuer=authority), "Basic256Sha256") == 42.0


async def test_without_security_a_client_learns_the_endpoints_and_no_more(secure: House) -> None:
    client = Client(secure.url, timeout=90)
    endpoints = await client.connect_and_get_server_endpoints()
    assert {one.SecurityPolicyUri.rpartition("#")[2] for one in endpoints} == set(POLICIES)
    assert all(one.ServerCertificate for one in endpoints)
    assert {token.TokenType.name for one in endpoints for token in one.UserIdentityTokens} == {"UserName"}
    client = Client(secure.url, timeout=90)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await client.create_session()
        assert refused.value.code == ua.StatusCodes.BadSecurityPolicyRejected
    finally:
        client.disconnect_socket()


async def test_on_an_open_channel_passwords_are_encrypted_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path, users="reader:secret") as opened:
        client = Client(opened.url, timeout=90)
        client.set_user("reader")
        client.set_password("secret")
        async with client:
            assert await client.get_namespace_index(URI) == 2
        with monkeypatch.context() as patched:  # a client that sends it as it is
            patched.setattr(Client, "_encrypt_password", lambda *_: (b"secret", ""))
            plain = Client(opened.url, timeout=90)
            plain.set_user("reader")
            plain.set_password("secret")
            with pytest.raises(ua.UaStatusCodeError) as refused:
                async with plain:
                    pytest.fail("it got in")
        assert refused.value.code == ua.StatusCodes.BadIdentityTokenRejected


async def test_a_port_that_is_taken_is_told_by_its_number(secure: House, tmp_path: Path) -> None:
    listen = secure.url.removeprefix("opc.tcp://").strip("/")
    spec = OpcUaServerSpec.model_validate({"listen": listen, "users": "a:b"})
    made = revision()
    server = OpcUaServer(spec, surroundings(tmp_path, made.tags, made))
    with pytest.raises(Refused, match=f"nothing can listen on {listen}"):
        async with server.open():
            pytest.fail("it listens")
