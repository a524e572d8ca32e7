# SPDX-License-Identifier: Apache-2.0
"""What a client gets of a plant's history: every type of tag, wide and long, in Arrow, pandas and polars."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import isthmus.client
from isthmus.core.errors import IsthmusError, Misasked, NotFound
from isthmus.core.time import from_iso

HOT = "acme/lyon/mixing/reactor-3/temperature"
ODD = ("2026-11-20T00:00Z", "2026-11-21T00:00Z")


def odd(plant: isthmus.client.Plant, name: str, **options: Any) -> list[Any]:
    path = f"acme/lyon/mixing/drive/{name}"
    column: list[Any] = plant.history(path, *ODD).arrow(**options)[path].to_pylist()
    return column


def test_tags_are_described(plant: isthmus.client.Plant) -> None:
    found = plant.tags("reactor-1/*")
    assert [tag.path.rpartition("/")[2] for tag in found] == ["state", "temperature"]
    assert found[0].labels == {0: "idle", 1: "heating", 2: "holding"}
    assert (found[1].unit, found[1].range, found[1].system) == ("Cel", (0.0, 180.0), "dcs")
    assert len(plant.tags()) == 12
    assert (plant.name, plant.time_zone, plant.running) == ("acme/lyon", "Europe/Paris", False)


def test_a_tag_that_does_not_exist_is_not_found_with_a_near_name(plant: isthmus.client.Plant) -> None:
    with pytest.raises(NotFound, match="reactor-1/temperature"):
        plant.tags("reactor-1/temprature")


def test_a_tag_that_is_asked_for_by_a_part_of_its_address_is_told_by_its_path(plant: isthmus.client.Plant) -> None:
    with pytest.raises(
        NotFound, match=r"no tag matches 'M\.Op'; did you mean 'mixing/drive/operator', of whose address"
    ):
        plant.tags("M.Op")


def test_the_last_sample_of_each_tag(plant: isthmus.client.Plant) -> None:
    last = {sample.tag.rpartition("/")[2]: sample for sample in plant.last("drive/*")}
    assert last["operator"].value == "Li"
    assert last["starts"].value == 7
    assert last["serial"].value is None
    assert last["on"].value is True
    assert (last["power"].value, last["power"].unit, last["power"].quality) == (30.0, "kW", "Good")
    assert last["power"].time == datetime(2026, 11, 22, 23, tzinfo=UTC)
    assert plant.last("reactor-1/state")[0].label == "holding"


def test_wide_columns_have_the_types_of_their_tags_and_no_bad_values(plant: isthmus.client.Plant) -> None:
    assert odd(plant, "starts") == [-(2**63), 2**53 + 1, None, 7]
    assert odd(plant, "serial") == [2**64 - 1, 2**63, None, None]
    assert odd(plant, "on") == [True, None, None, True]
    assert odd(plant, "operator") == ['Ødegård, 1; "2"', "", None, "Li"]
    state = plant.history("reactor-2/state", "2026-11-20T00:00Z", "2026-11-20T03:00Z").arrow()
    assert state.column(1).to_pylist() == ["idle", "heating", "holding"]


def test_qualities_stand_beside_the_values_when_asked_for(plant: isthmus.client.Plant) -> None:
    table = plant.history("drive/on", *ODD).arrow(quality=True)
    path = "acme/lyon/mixing/drive/on"
    assert table.column_names == ["time", path, f"{path} quality"]
    assert table[f"{path} quality"].to_pylist() == ["Good", "Good", "BadDeviceFailure", "Good"]


def test_tags_with_samples_at_different_times_share_one_time_column(plant: isthmus.client.Plant) -> None:
    found = plant.history(["drive/power", "drive/energy"], "2026-11-20T00:00Z", "2026-11-20T02:00Z").arrow()
    assert len(found) == 8
    assert found["acme/lyon/mixing/drive/power"].to_pylist() == [50.0, None, None, None, 50.0, None, None, None]
    assert found["acme/lyon/mixing/drive/energy"].null_count == 0


def test_long_tables_say_everything_of_every_sample(plant: isthmus.client.Plant) -> None:
    table = plant.history(["drive/serial", "drive/starts", "reactor-1/state"], *ODD).arrow(long=True)
    assert table.column_names == [
        "tag", "time", "value", "integer", "text", "unit", "quality", "code", "marks", "seen",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [int(row["integer"]) for row in rows[:3]] == [2**64 - 1, 2**63, 0]
    assert [row["quality"] for row in rows[:4]] == ["Good", "Good", "BadDeviceFailure", "Good"]
    assert int(rows[4]["integer"]) == -(2**63)
    assert [row["text"] for row in rows[8:11]] == ["idle", "heating", "holding"]


def test_pandas_knows_missing_values_and_keeps_64_bits(plant: isthmus.client.Plant) -> None:
    frame = plant.history("drive/*", *ODD).pandas()
    kinds = {name.rpartition("/")[2]: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds == {
        "energy": "float64", "on": "boolean", "operator": "string", "power": "float64", "serial": "UInt64",
        "starts": "Int64",
    }  # fmt: skip
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert str(frame.index.dtype) == "datetime64[ns, UTC]"
    row = frame.loc[pd.Timestamp("2026-11-20T04:00Z")]
    assert row["acme/lyon/mixing/drive/starts"] == 2**53 + 1
    assert row["acme/lyon/mixing/drive/serial"] == 2**63
    states = plant.history("reactor-2/state", *ODD).pandas().iloc[:, 0]
    assert list(states.cat.categories) == ["idle", "heating", "holding"]


def test_polars_gets_the_same(plant: isthmus.client.Plant) -> None:
    found = plant.history(["drive/serial", "drive/on", "reactor-2/state"], *ODD)
    frame = found.polars()
    assert frame["acme/lyon/mixing/drive/serial"].dtype == pl.UInt64
    assert frame["time"].dtype == pl.Datetime("ns", "UTC")
    assert frame["acme/lyon/mixing/reactor-2/state"].cast(pl.String).to_list()[:3] == ["idle", "heating", "holding"]
    assert len(found.polars(long=True)) == 4 + 4 + 24


def test_times_stand_in_the_plants_zone_when_asked_for(plant: isthmus.client.Plant) -> None:
    frame = plant.history(HOT, *ODD).pandas(zone="plant")
    assert str(frame.index[0]) == "2026-11-20 01:00:00+01:00"
    table = plant.history(HOT, *ODD).arrow(zone="America/New_York")
    assert table.schema.field("time").type == pa.timestamp("ns", "America/New_York")


def test_moments_may_be_datetimes_and_naive_ones_are_the_plants(plant: isthmus.client.Plant) -> None:
    for start in (
        "2026-11-20T03:12",
        datetime(2026, 11, 20, 3, 12),
        datetime(2026, 11, 20, 2, 12, tzinfo=UTC),
        datetime(2026, 11, 20, 3, 12, tzinfo=ZoneInfo("Europe/Paris")),
        pd.Timestamp("2026-11-20T02:12:00Z"),
    ):
        found = plant.history(HOT, start, "2026-11-20T03:20")
        assert found.start == from_iso("2026-11-20T02:12Z")
        assert len(found) == 8
    late = pd.Timestamp("2026-11-20T02:12:00.000000001Z")
    assert len(plant.history(HOT, late, "2026-11-20T03:20")) == 7


def test_what_a_tag_was_at_a_moment(plant: isthmus.client.Plant) -> None:
    frame = plant.at([HOT, "reactor-3/state"], ["2026-11-20T07:00", "2026-11-20T10:00Z"]).pandas()
    assert frame[HOT].tolist() == [38.0, 50.0]
    assert frame["acme/lyon/mixing/reactor-3/state"].tolist() == ["idle", "heating"]
    between = plant.at([HOT, "drive/on"], "2026-11-20T06:30:30").arrow(quality=True)
    assert between[HOT].to_pylist() == [pytest.approx(20 + (5.5 + 30 / 3600) * 3)]
    assert between["acme/lyon/mixing/drive/on"].to_pylist() == [True]
    assert between["acme/lyon/mixing/drive/on quality"].to_pylist() == ["UncertainDataSubNormal"]


def test_aggregates_have_one_row_per_interval(plant: isthmus.client.Plant) -> None:
    found = plant.history(HOT, "2026-11-20T00:00Z", "2026-11-20T04:00Z", every="1h", aggregate="Average")
    assert found.pandas()[HOT].tolist() == pytest.approx([21.475, 24.475, 27.475, 30.475])
    two = plant.history(HOT, *ODD, every="day", aggregate=["Minimum", "Maximum"]).arrow(quality=True)
    assert two.column_names == [
        "time", "period", f"{HOT} Minimum", f"{HOT} Minimum quality", f"{HOT} Maximum", f"{HOT} Maximum quality",
    ]  # fmt: skip
    assert two["period"].to_pylist() == ["2026-11-20", "2026-11-21"]
    long = plant.history(HOT, *ODD, every="day", aggregate="Maximum").arrow(long=True)
    assert {"tag", "time", "end", "period", "Maximum", "Maximum unit", "Maximum quality"} <= set(long.column_names)


def test_a_range_without_samples_is_an_empty_table_with_all_columns(plant: isthmus.client.Plant) -> None:
    found = plant.history("drive/*", "2020-01-01", "2020-01-02")
    assert (len(found), len(found.pandas()), len(found.polars(long=True))) == (0, 0, 0)
    assert len(found.arrow().column_names) == 7


def test_what_makes_no_sense_is_refused(plant: isthmus.client.Plant, tmp_path: Path) -> None:
    with pytest.raises(Misasked, match="aggregate"):
        plant.history(HOT, every="1h")
    with pytest.raises(IsthmusError, match="Averge"):
        plant.history(HOT, aggregate="Averge")
    with pytest.raises(IsthmusError, match="before it begins"):
        plant.history(HOT, "2026-11-21", "2026-11-20")
    with pytest.raises(NotFound, match="no plant"):
        isthmus.client.open(tmp_path)
    with pytest.raises(IsthmusError, match="is an address"):
        isthmus.client.open("https://plant.example")
    with pytest.raises(IsthmusError, match="no time zone"):
        plant.history(HOT, *ODD).arrow(zone="Europe/Lyons")


def test_energy_per_shift_of_a_counter_with_a_reset_and_of_a_power(plant: isthmus.client.Plant) -> None:
    span = ("2026-11-17T06:00", "2026-11-18T06:00")
    table = plant.history("drive/energy", *span, every="shift", aggregate="Consumed").arrow(quality=True)
    assert table.column_names[:4] == ["time", "date", "shift", "crew"]
    assert table["shift"].to_pylist() == ["early", "late", "night"]
    assert table["crew"].to_pylist() == ["C", "A", "B"]
    assert table.column(4).to_pylist() == [320, 320, 310]
    assert table.column(5).to_pylist() == ["Good", "Good", "UncertainDataSubNormal"]
    power = plant.history("drive/power", *span, every="shift", aggregate=["Total2", "Count"], unit="kW.h")
    assert power.arrow().column(4).to_pylist() == pytest.approx([380, 240, 340])
    assert power.arrow().column(5).to_pylist() == [8, 8, 8]
    long = power.arrow(long=True)
    assert set(long["Total2 unit"].to_pylist()) == {"kW.h"}
    with pytest.raises(Misasked, match="does not convert"):
        plant.history("drive/power", *span, aggregate="Total", unit="Cel")


def test_an_average_converts_with_its_zero_and_a_range_without(plant: isthmus.client.Plant) -> None:
    span = ("2026-11-20T00:00Z", "2026-11-20T04:00Z")
    found = plant.history(HOT, *span, aggregate=["Minimum", "Range"], unit="[degF]").arrow()
    assert found.column(1).to_pylist() == pytest.approx([68.0])
    assert found.column(2).to_pylist() == pytest.approx([(239 / 60) * 3 * 1.8], abs=0.01)


HOURS_ABOVE = """
    SELECT date_trunc('day', time) AS day, tag, count(*) AS samples FROM samples
    WHERE tag LIKE '%/temperature' AND value > 90 AND time >= '2026-11-20' AND time < '2026-11-21' GROUP BY ALL
"""


def test_sql_is_answered_as_a_table(plant: isthmus.client.Plant) -> None:
    answer = plant.sql(HOURS_ABOVE)
    assert answer.arrow()["tag"].to_pylist() == [HOT]
    assert answer.pandas()["samples"].tolist() == [39]
    assert not answer.more
    with pytest.raises(IsthmusError, match="nowhere"):
        plant.sql("SELECT * FROM nowhere")
