# SPDX-License-Identifier: Apache-2.0
"""The collector against real OPC UA servers and a real log: what arrives, what is survived, what is touched."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from msgspec.structs import replace

from isthmus.core.event import EventKind
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import MILLISECOND, now
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.stream.log import open_log
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.flow.floor import Floor, system, tag
from tests.peers.child import freeze
from tests.peers.opcua_peer import Server, free_port

AT = 1_790_000_000_123_456_700


def names(*wanted: str) -> list[dict[str, str]]:
    return [{"name": name} for name in wanted]


async def test_a_value_reaches_history_with_the_devices_time_and_quality(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with Server(tmp_path / "peer", "node", nodes=names("level")) as server:
        floor.apply([system("dcs", server)], [tag(1, "level", server, scale=0.1, range=(0.0, 10.0))])
        async with floor.recording(), floor.collecting():
            await until(lambda: floor.state() == "connected", "connected")
            await server.do("set", name="level", value=123.0, status="BadSensorFailure", time=str(AT // 100))

            async def arrived() -> bool:
                return any(sample[0] == AT for sample in await floor.samples(1))

            await until(arrived, "the value in history")
        (sample,) = [sample for sample in await floor.samples(1) if sample[0] == AT]
        assert sample == (AT, 123.0 * 0.1, 0x808C_0000)


async def test_after_the_server_returns_with_other_namespace_indexes_everything_flows(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with Server(tmp_path / "peer", "node", nodes=names("level")) as server:
        floor.apply([system("dcs", server)], [tag(1, "level", server)])
        async with floor.collecting():
            await until(lambda: floor.state() == "connected", "connected")
            await server.kill()
            await until(lambda: floor.state() == "disconnected", "noticed")
            await server.start(before=["urn:one:more", "urn:and:another"], nodes=[{"name": "level", "value": 77}])

            async def flows() -> bool:
                return 77.0 in await floor.values(1)

            await until(flows, "flowing again")
            states = [
                e.details["state"] for e in await floor.events() if e.kind is EventKind.CONNECTION and e.at < now()
            ]
            assert states == ["connected", "disconnected", "connected"]


async def test_nothing_is_acknowledged_or_lost_while_the_log_stands_still(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with Server(tmp_path / "peer", "node", nodes=names("level")) as server:
        floor.apply([system("dcs", server, queue=1000)], [tag(1, "level", server)])
        async with floor.collecting():
            await until(lambda: floor.state() == "connected", "connected")
            await until(lambda: floor.report["accepted"] > 0, "the first value accepted")
            pid = floor.log.pid
            assert pid
            freeze(pid)
            try:
                for value in range(100, 120):
                    # a publishing interval, so that there are several messages, each seen by the server
                    await server.do("set", name="level", value=value, then=60)
                await until(lambda: floor.report["held"] > 0 or floor.report["accepted"] < 20, "held")
                assert (await server.do("unacknowledged"))["most"] > 0
            finally:
                os.kill(pid, signal.SIGCONT)

            async def all_there() -> bool:
                return set(range(100, 120)) <= set(await floor.values(1))

            await until(all_there, "every value after the log goes on")
            values = await floor.values(1)
            assert len(values) == len(set(values)), "nothing twice"


async def test_the_log_killed_under_the_collector_costs_nothing(floor: Floor, tmp_path: Path, until: Until) -> None:
    async with Server(tmp_path / "peer", "python", nodes=names("level")) as server:
        floor.apply([system("dcs", server, queue=1000)], [tag(1, "level", server)])
        async with floor.recording(), floor.collecting():
            await until(lambda: floor.state() == "connected", "connected")
            for kill in range(3):
                for value in range(20):
                    await server.do("set", name="level", value=1000 * kill + value)
                assert floor.log.pid
                os.kill(floor.log.pid, signal.SIGKILL)
                for value in range(100, 120):
                    await server.do("set", name="level", value=1000 * kill + value)
                await until(lambda: floor.log.ready, "the log is back")

                async def both(kill: int = kill) -> bool:
                    return 1000 * kill + 119 in await floor.values(1)

                await until(both, "the last value")
            values = await floor.values(1)
            expected = {1000 * kill + more + i for kill in range(3) for more in (0, 100) for i in range(20)}
            assert expected <= set(values)
            assert len(values) == len(set(values)), "nothing twice"


async def test_a_full_log_is_held_for_and_goes_on_in_order(tmp_path: Path, until: Until) -> None:
    async with (
        LogServer(tmp_path / "log", max_bytes=1 << 20) as log,
        Server(tmp_path / "peer", "node", many={"count": 1500}) as server,
    ):
        floor = Floor(tmp_path, log)
        floor.apply([system("dcs", server)], [tag(i + 1, f"t{i}", server) for i in range(1500)])
        async with floor.collecting():
            await until(lambda: floor.state() == "connected", "connected")
            await server.do("run", period=50)
            await until(lambda: bool(floor.report["log"]), "the log says that it is full")
            await until(lambda: floor.report["held"] > 3, "samples are held")
            assert floor.report["discarded"] == 0
            await server.do("run", period=0)
            async with floor.recording(), open_log(log.endpoint, name="purge") as admin:

                async def accepted() -> bool:
                    state = await admin.state()
                    await admin.purge(max(state.first, state.last - 3))
                    return floor.report["held"] == 0 and not floor.report["log"]

                await until(accepted, "everything accepted")


async def test_a_rename_leaves_the_connection_alone_and_a_new_system_leaves_the_others_alone(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with (
        Server(tmp_path / "one", "node", nodes=names("level", "flow")) as one,
        Server(tmp_path / "two", "python", nodes=names("speed")) as two,
    ):
        floor.apply([system("dcs", one)], [tag(1, "level", one)])
        async with floor.collecting():
            await until(lambda: floor.state() == "connected", "connected")
            before = floor.report["systems"]["dcs"]["since"]
            renamed = tag(1, "level", one, asset="vessel", range=(0.0, 50.0))
            number = floor.apply([system("dcs", one), system("drive", two)], [renamed, tag(2, "speed", two, "drive")])
            await until(lambda: floor.report["revision"] == number, "the new revision runs")
            await until(lambda: floor.state("drive") == "connected", "the new system is connected")
            assert floor.report["systems"]["dcs"]["since"] == before, "the first one did not blink"
            await one.do("set", name="level", value=51.0)
            await until(lambda: floor.report["systems"]["dcs"]["marked"] == 1, "judged by the new range")
            number = floor.apply([system("dcs", one)], [renamed])
            await until(lambda: "drive" not in floor.report["systems"], "the removed system is closed")


async def test_a_dead_system_and_a_missing_secret_harm_only_themselves(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with Server(tmp_path / "peer", "python", nodes=names("level")) as server:
        secret = {"user": "isthmus", "password": {"!secret": "dcs-password"}}
        dead = replace(system("dead", server), config={"url": ["opc.tcp://127.0.0.1:9/"]})
        floor.apply(
            [system("dcs", server), system("guarded", server, **secret), dead],
            [tag(1, "level", server), tag(2, "level", server, "guarded"), tag(3, "flow", server, "dead")],
        )
        async with floor.collecting():
            await until(lambda: floor.state("dead") == "disconnected", "the dead one is named")
            await until(lambda: floor.state("guarded") == "refused", "the secret is asked for")
            await until(lambda: floor.state() == "connected", "the other one works")
            assert "ISTHMUS_SECRET_DCS_PASSWORD" in floor.report["systems"]["guarded"]["problem"]
            (tmp_path / "secrets").mkdir()
            (tmp_path / "secrets" / "dcs-password").write_text("let me in\n")
            await until(
                lambda: "dcs-password" not in floor.report["systems"]["guarded"]["problem"],
                "the secret is found without a restart",
            )


async def test_a_collector_that_starts_again_tells_no_longer_a_gap_than_there_was(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    async with Server(tmp_path / "peer", "node", nodes=names("steady", "level")) as server:
        floor.apply([system("dcs", server)], [tag(1, "steady", server), tag(2, "level", server)])
        async with floor.recording():  # nothing is flushed: the manifest knows of no sample
            async with floor.collecting():
                await until(lambda: floor.report.get("accepted", 0) >= 2, "both values accepted")
                changed = now() - 2 * MILLISECOND  # node-opcua's times are whole milliseconds
                await server.do("set", name="level", value=1.0)
                await until(lambda: floor.report["accepted"] >= 3, "the change accepted")
            floor.report.clear()
            async with floor.collecting():
                await until(lambda: floor.report.get("accepted", 0) >= 2, "collecting again")
            gaps = [event for event in await floor.events() if event.kind is EventKind.GAP]
            assert gaps, "what was not observed in between is told"
            assert all(int(gap.details["first"] or 0) >= changed for gap in gaps)


async def test_a_secret_that_does_not_fit_is_told_in_words_and_never_itself(
    floor: Floor, tmp_path: Path, until: Until
) -> None:
    config = {"listen": f"127.0.0.1:{free_port()}", "secret": {"!secret": "push"}}
    one = TagSetting(tag=Tag(1, "acme/lyon/flow", "", DataType.FLOAT, False), system="push", address="flow")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "push").write_text("much\n")
    floor.apply([SystemSetting(name="push", kind="webhook", config=config)], [one])
    async with floor.collecting():
        await until(lambda: floor.state("push") == "refused", "the secret is looked at")
        problem = floor.report["systems"]["push"]["problem"]
        assert problem.startswith("secret: the secret has 4 bytes; it needs 16 at least; make one with: openssl")
        assert "\n" not in problem and "pydantic" not in problem and "much" not in problem
        await asyncio.to_thread((tmp_path / "secrets" / "push").write_bytes, b"\xff\xfe")
        await until(lambda: "no text" in floor.report["systems"]["push"]["problem"], "it is read anew")
