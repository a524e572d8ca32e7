# SPDX-License-Identifier: Apache-2.0
"""TLS with a database: who is trusted, and what an expired certificate says, costs and loses, in and out: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest

from isthmus.core.errors import Disconnected, Refused
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import OutputSetting, SystemSetting, TagSetting
from isthmus.stream.server import LogServer
from isthmus.systems.registry import kinds
from isthmus.systems.sql.database import connected
from tests.conftest import Until
from tests.database.tables import Server
from tests.deliver.plant import TAGS, Plant, plant
from tests.flow.floor import PLANT, Floor
from tests.opcua.certificates import make
from tests.peers.network import Network
from tests.peers.postgres import OWNER, PASSWORD, certified

LOGIN = {"user": OWNER, "password": PASSWORD}
TABLES = {"r": {"table": "results", "time": "at", "order": "id"}}
MADE = "CREATE TABLE results (id bigserial, at timestamptz DEFAULT now(), value float8)"
EXPIRED = (-2.0, -1.0)


class Keys(NamedTuple):
    """PEM files of certificates for `localhost` and 127.0.0.1, each with its key, and of who made them."""

    root: str
    folder: Path
    pairs: dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder, ours = tmp_path_factory.mktemp("tls"), make("ours", authority=True)
    made = {"expired": make("late", days=EXPIRED, issuer=ours), "good": make("here", issuer=ours), "other": make("x")}
    pairs = {name: pair.write(folder, name) for name, pair in made.items()}
    Path(pairs["expired"][1]).chmod(0o600)  # libpq reads no key that others may read
    return Keys(ours.write(folder, "ca")[0], folder, pairs)


async def meets(url: str, **more: Any) -> None:
    """Connects, and asks for one thing."""
    config = {"url": url, "timeout": "1m", "tables": TABLES, **LOGIN, **more}
    spec = kinds()["sql"].spec.model_validate(config)
    async with connected(spec, "test") as link:  # type: ignore[arg-type]  # a Database, as every SqlSpec is
        await link.ask(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())


async def speaks(server: Server, keys: Keys, name: str, until: Until, authority: str | None = None) -> None:
    """Has it show this certificate from now on; returns when it does."""
    certified(server.server, *keys.pairs[name], authority)

    async def shown() -> bool:
        try:
            await meets(url(server.server.port, f"sslmode=verify-ca&sslrootcert={keys.root}"))
        except Disconnected as error:
            return name == "expired" and "expired" in str(error)
        return name == "good"

    await until(shown, "it shows its certificate")


def url(port: int, query: str, host: str = "localhost") -> str:
    return f"postgresql://{host}:{port}/postgres?{query}"


async def test_tls_is_as_the_address_says(plant_server: Server, keys: Keys, until: Until) -> None:
    await speaks(plant_server, keys, "good", until)
    port = plant_server.server.port
    await meets(url(port, "sslmode=require"))
    await meets(url(port, f"sslmode=verify-full&sslrootcert={keys.root}"))
    wrong: list[tuple[str, type[Exception], str]] = [
        (
            f"sslmode=verify-full&sslrootcert={keys.pairs['other'][0]}",
            Disconnected,
            "issuer certificate; does sslrootcert=",
        ),
        (f"sslmode=verify-full&sslrootcert={keys.folder}/nobody.pem", Refused, "nobody.pem.* does not exist"),
        ("sslmode=verify-full&sslrootcert=system", Disconnected, "its certificate is not trusted"),
    ]
    for query, class_, says in wrong:
        with pytest.raises(class_, match=says):
            await meets(url(port, query))


async def test_a_certificate_for_another_name_says_which(plant_server: Server, keys: Keys, until: Until) -> None:
    await speaks(plant_server, keys, "good", until)
    port = plant_server.server.port
    with pytest.raises(Disconnected, match=r"does not match host name .*; name the host in url as its"):
        await meets(url(port, f"sslmode=verify-full&sslrootcert={keys.root}&hostaddr=127.0.0.1", "db.example"))


async def test_an_expired_certificate_is_said_to_be_so_unless_nobody_asks_for_it(
    plant_server: Server, keys: Keys, until: Until
) -> None:
    await speaks(plant_server, keys, "expired", until)
    port = plant_server.server.port
    for mode in ("verify-full", "verify-ca"):
        with pytest.raises(
            Disconnected, match="its certificate is not trusted: certificate has expired; have a new"
        ) as e:
            await meets(url(port, f"sslmode={mode}&sslrootcert={keys.root}"))
        assert f"localhost:{port}" in str(e.value) and PASSWORD not in str(e.value)
    await meets(url(port, "sslmode=require"))  # encrypted, and trusts whoever it meets


async def test_a_certificate_of_ours_that_is_expired_is_refused_with_what_to_look_at(
    plant_server: Server, keys: Keys, until: Until
) -> None:
    await speaks(plant_server, keys, "good", until, keys.root)
    port, (certificate, key) = plant_server.server.port, keys.pairs["expired"]
    with pytest.raises(Refused, match="certificate expired; is the certificate that sslcert= names one"):
        await meets(url(port, f"sslmode=verify-full&sslrootcert={keys.root}&sslcert={certificate}&sslkey={key}"))


async def test_rows_that_came_while_a_certificate_was_expired_arrive_once_it_is_renewed(
    plant_server: Server, keys: Keys, tmp_path: Path, until: Until
) -> None:
    plant_server.do(MADE, "INSERT INTO results (value) SELECT generate_series(1, 100)")
    await speaks(plant_server, keys, "expired", until)
    async with LogServer(tmp_path / "log") as log, Network(plant_server.server.port) as network:
        floor = Floor(tmp_path, log)
        query = f"sslmode=verify-full&sslrootcert={keys.root}"
        config = {"url": url(network.port, query), "every": "50ms", "tables": TABLES, **LOGIN}
        tag = Tag(1, f"{PLANT}/lab/value", "", DataType.FLOAT, False)
        floor.apply(
            [SystemSetting(name="lab", kind="sql", config=config)],
            [TagSetting(tag=tag, system="lab", address="r.value")],
        )
        async with floor.recording(), floor.collecting():
            await until(lambda: floor.state("lab") == "disconnected", "it says that it is not connected")
            tried, began = network.forwarded, monotonic()
            await until(lambda: network.forwarded >= tried + 4, "it tries again")
            assert network.forwarded - tried <= 2 * (5 + 4 * (monotonic() - began))  # two of each try
            plant_server.do("INSERT INTO results (value) SELECT generate_series(101, 200)")
            certified(plant_server.server, *keys.pairs["good"])

            async def all_there() -> bool:
                return len(await floor.samples(1)) >= 200

            await until(all_there, "every row in history", within=240)
        assert sorted(await floor.values(1)) == [float(n) for n in range(1, 201)]
        told = [one.message for one in await floor.events() if one.kind is EventKind.CONNECTION]
    assert f"localhost:{network.port}/postgres: its certificate is not trusted: certificate has expired" in told[0]
    assert "have a new one made" in told[0] and len(told) == 2  # once, and that it is connected


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(tmp_path / "data") as made:
        yield made


async def test_samples_wait_for_a_database_whose_certificate_is_expired_and_none_is_lost(
    floor: Plant, plant_server: Server, keys: Keys, until: Until
) -> None:
    await speaks(plant_server, keys, "good", until)
    server = plant_server.server
    async with Network(server.port) as network, floor.recording():
        query = f"sslmode=verify-full&sslrootcert={keys.root}"
        config = {"url": url(network.port, query), "timeout": "1m", **LOGIN}
        floor.apply([OutputSetting(name="warehouse", kind="sql", config=config, begins="now")])
        floor.start()
        await until(lambda: floor.told("warehouse").get("state") == "connected", "connected", within=240)
        await floor.publish(100)
        await speaks(plant_server, keys, "expired", until)
        network.cut()  # a connection that stands is not asked for its certificate again
        network.mend()
        await until(lambda: "expired" in floor.told("warehouse").get("problem", ""), "it says why")
        assert floor.told("warehouse")["state"] == "disconnected"
        assert "have a new one made for the far end" in floor.told("warehouse")["problem"]
        await floor.publish(100)
        certified(server, *keys.pairs["good"])
        await until(lambda: floor.told("warehouse").get("delivered") == floor.sent * TAGS, "all delivered", within=240)
        assert floor.told("warehouse")["parked"] == 0
        assert floor.stop() == 0
    count = "SELECT count(*), count(DISTINCT (tag, value)) FROM samples"
    assert plant_server.ask(count) == [(floor.sent * TAGS, floor.sent * TAGS)]
