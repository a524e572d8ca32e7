# SPDX-License-Identifier: Apache-2.0
"""Small revisions to keep in a ledger."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.core.tag import DataType, Tag
from isthmus.plant.check import Checked
from isthmus.plant.number import resolve
from isthmus.plant.revision import Revision, SystemSetting, TagSetting
from isthmus.store.ledger import Ledger


def wanted(paths: Iterable[str], unit: str = "bar") -> Checked:
    """A checked plant file that wants these tags."""
    tags = tuple(
        TagSetting(tag=Tag(0, path, unit, DataType.FLOAT, False), system="b", address=f"pin-{path}") for path in paths
    )
    system = SystemSetting(name="b", kind="bench", config={"password": {"!secret": "b"}})
    return Checked("acme/lyon", "UTC", (system,), (), tags, {}, {}, {}, {"plant.yaml": "version: 1"}, ())


def next_revision(ledger: Ledger, paths: Iterable[str], unit: str = "bar", author: str = "me") -> Revision:
    """What applying these tags now would make."""
    number = ledger.next_number()
    checked = wanted(paths, unit)
    return resolve(checked, ledger.current(), ledger.numbers(), number=number, created=number * 1000, author=author)


def apply(ledger: Ledger, paths: Iterable[str], unit: str = "bar") -> Revision:
    revision = next_revision(ledger, paths, unit)
    ledger.apply(revision, base=ledger.current_number())
    return revision


def numbers(revision: Revision) -> dict[str, int]:
    return {setting.tag.path: setting.tag.number for setting in revision.tags}
