# SPDX-License-Identifier: Apache-2.0
"""Servers that nobody gave a port do not all try the same ones."""

from __future__ import annotations

from isthmus.core.ports import PORTS, by_chance


def test_ports_are_tried_in_another_order_each_time_none_twice_and_any_at_last() -> None:
    one, other = by_chance(), by_chance()
    assert one != other
    for *chosen, last in (one, other):
        assert last == 0
        assert len(set(chosen)) == 100
        assert set(chosen) <= set(PORTS)
