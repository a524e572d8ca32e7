# SPDX-License-Identifier: Apache-2.0
"""Who may talk to whom: policies, trust, certificates that are unknown, renewed or expired, and users."""

from __future__ import annotations

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Surroundings
from isthmus.systems.opcua import trust
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected
from tests.opcua.certificates import make
from tests.peers.network import Network
from tests.peers.opcua_peer import Server

NODES = [{"name": "a", "value": 4.5}]
STRONG = "Basic256Sha256/SignAndEncrypt"


async def first_value(server: Server, data: Path, **config: Any) -> float:
    kind = kinds()["opcua"]
    spec = kind.spec.model_validate({"url": server.url, "publishing": "50ms", "patience": "30s", **config})
    driver: Any = kind.connect(spec, Surroundings("far", data))
    async with asyncio.timeout(60), driver.open([Address(server.address("a"), DataType.FLOAT)]) as stream:
        async for readings in stream:
            if len(readings):
                return float(readings.value[0])
    raise AssertionError("nothing came")


def trust_rejected(data: Path) -> None:
    """What a person does: moves the file the message names."""
    (file,) = (data / "pki" / "rejected").iterdir()
    file.rename(data / "pki" / "trusted" / file.name)


def trust_at_once(data: Path, certificate: Path) -> None:
    (trust.folder(data) / "trusted" / certificate.name).write_bytes(certificate.read_bytes())


def secured(tmp_path: Path, name: str = "server", **how: Any) -> dict[str, Any]:
    certificate, key = make(name, **how).write(tmp_path / "certificates", name)
    return {"secure": True, "certificate": certificate, "key": key}


async def test_every_policy_works_once_the_server_is_trusted_and_not_before(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with Server(tmp_path, nodes=NODES, **secured(tmp_path)) as server:
        with pytest.raises(Disconnected, match="not trusted") as refused:
            await first_value(server, data, security=STRONG)
        (file,) = (data / "pki" / "rejected").iterdir()
        assert str(file) in refused.value.hint and str(data / "pki" / "trusted") in refused.value.hint
        trust_rejected(data)
        for policy in ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "Basic256"):
            for mode in ("Sign", "SignAndEncrypt"):
                assert await first_value(server, data, security=f"{policy}/{mode}") == 4.5
        assert await first_value(server, data) == 4.5  # None needs no trust
        with pytest.raises(Refused, match="does not offer Basic128Rsa15/Sign") as offered:
            await first_value(server, data, security="Basic128Rsa15/Sign")
        assert STRONG in offered.value.hint
    assert stat.S_IMODE((data / "pki" / "own.key.pem").stat().st_mode) == 0o600
    assert not list((data / "pki").glob(".*"))


async def test_the_oldest_policy_works_against_a_server_that_still_has_it(tmp_path: Path) -> None:
    config = {**secured(tmp_path, uri="urn:x"), "secure": ["NoSecurity", "Basic128Rsa15_SignAndEncrypt"]}
    async with Server(tmp_path, "asyncua", nodes=NODES, **config) as server:
        with pytest.raises(Disconnected, match="not trusted"):
            await first_value(server, tmp_path, security="Basic128Rsa15/SignAndEncrypt")
        trust_rejected(tmp_path)
        assert await first_value(server, tmp_path, security="Basic128Rsa15/SignAndEncrypt") == 4.5


async def test_a_secured_session_survives_a_cut_and_a_renewed_certificate_waits_to_be_trusted(tmp_path: Path) -> None:
    async with (
        Server(tmp_path, nodes=NODES, **secured(tmp_path, "old")) as server,
        Network(server.config["port"]) as network,
    ):
        trust_at_once(tmp_path, Path(server.config["certificate"]))
        url = f"opc.tcp://127.0.0.1:{network.port}/plant"
        config = {"url": url, "publishing": "50ms", "sampling": "0s", "patience": "30s", "security": STRONG}
        address = Address(server.address("a"), DataType.FLOAT)
        async with Collected(kinds()["opcua"], config, tmp_path, [address]).running() as collected:
            await eventually(collected.saw(0, 4.5))
            network.cut()
            await server.do("set", name="a", value=5.5, then=120)  # the server samples every 50 ms
            await server.do("set", name="a", value=6.5)
            network.mend()
            await eventually(collected.saw(0, 6.5))
            assert 5.5 in collected.values(0) and not collected.told(EventKind.GAP)
            await server.kill()
            await server.start(**secured(tmp_path, "renewed"))
            await eventually(lambda: "not trusted (renewed" in str(collected.errors[-1]))
            trust_rejected(tmp_path)
            await eventually(collected.saw(0, 4.5))
            await eventually(lambda: collected.told(EventKind.GAP))


def test_a_certificate_is_only_good_in_its_time_even_when_it_is_trusted(tmp_path: Path) -> None:
    pki = trust.folder(tmp_path)
    for name, days in (("expired", (-30, -1)), ("early", (1, 30))):
        certificate = make(name, days=days).certificate
        (pki / "trusted" / f"{name}.der").write_bytes(certificate.public_bytes(Encoding.DER))
        with pytest.raises(Disconnected, match="only valid from"):
            trust.check_server(certificate, pki, "opc.tcp://h:4840")


async def test_users_are_let_in_by_name_or_certificate_and_others_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    config = {**secured(tmp_path), "users": {"isthmus": "sesame"}}
    make("operator").write(data / "pki", "operator")
    async with Server(tmp_path, nodes=NODES, **config) as server:
        with pytest.raises(Disconnected, match="not trusted"):
            await first_value(server, data, security=STRONG, user="isthmus", password="sesame")
        trust_rejected(data)
        for security in (STRONG, "None"):
            assert await first_value(server, data, security=security, user="isthmus", password="sesame") == 4.5
            with pytest.raises(Refused, match="does not accept the user"):
                await first_value(server, data, security=security, user="isthmus", password="wrong")
        with pytest.raises(Refused, match="does not accept the user"):
            await first_value(server, data, security=STRONG)
        user = {"user_certificate": "operator.pem", "user_key": "operator.key.pem"}
        assert await first_value(server, data, security=STRONG, **user) == 4.5
        with pytest.raises(Refused, match="is missing"):
            await first_value(server, data, security=STRONG, **{**user, "user_key": "gone.pem"})


async def test_a_password_is_not_sent_in_the_clear_unasked(tmp_path: Path) -> None:
    async with Server(tmp_path, "asyncua", nodes=NODES) as server:
        with pytest.raises(Refused, match="in the clear"):
            await first_value(server, tmp_path, user="isthmus", password="sesame")
        assert await first_value(server, tmp_path, user="isthmus", password="sesame", plain_password=True) == 4.5


def test_an_authority_vouches_only_for_the_host_its_certificates_name(tmp_path: Path) -> None:
    pki = trust.folder(tmp_path)
    authority, stranger = make("plant ca", authority=True), make("plant ca", authority=True)
    (pki / "trusted" / "ca.der").write_bytes(authority.certificate.public_bytes(Encoding.DER))
    (pki / "trusted" / "rubbish.der").write_bytes(b"rubbish")
    good = make("dcs", issuer=authority, host="10.0.0.5").certificate
    trust.check_server(good, pki, "opc.tcp://10.0.0.5:4840")
    for certificate, url in (
        (good, "opc.tcp://10.0.0.6:4840"),
        (make("dcs", issuer=stranger, host="10.0.0.5").certificate, "opc.tcp://10.0.0.5:4840"),
        (make("dcs", issuer=make("leaf", issuer=authority), host="10.0.0.5").certificate, "opc.tcp://10.0.0.5:4840"),
    ):
        with pytest.raises(Disconnected, match="not trusted"):
            trust.check_server(certificate, pki, url)


def test_hostile_names_in_certificates_stay_inside_the_rejected_folder(tmp_path: Path) -> None:
    pki = trust.folder(tmp_path)
    for name in ("../../../etc/passwd", "a/b\\c:d", "..", "é" * 30):
        with pytest.raises(Disconnected):
            trust.check_server(make(name).certificate, pki, "opc.tcp://h:4840")
    assert len(list((pki / "rejected").iterdir())) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"pki"}


def test_the_rejected_folder_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "MOST_REJECTED", 3)
    pki = trust.folder(tmp_path)
    for i in range(6):
        with pytest.raises(Disconnected):
            trust.check_server(make(f"s{i}").certificate, pki, "opc.tcp://h:4840")
    assert len(list((pki / "rejected").iterdir())) == 3


def test_two_first_starts_at_once_end_with_one_pair(tmp_path: Path) -> None:
    pki = trust.folder(tmp_path)
    with ThreadPoolExecutor(4) as starts:
        pairs = list(starts.map(trust.own, [pki] * 8))
    certificate, key = pairs[0]
    for again, same in pairs:
        assert certificate == again and key.private_numbers() == same.private_numbers()
    assert trust.application_uri(certificate).endswith(":isthmus")
    (pki / "own.der").write_bytes(b"rubbish")
    with pytest.raises(IsthmusError, match="cannot be read"):
        trust.own(pki)
