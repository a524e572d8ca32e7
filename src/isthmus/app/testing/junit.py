# SPDX-License-Identifier: Apache-2.0
"""Outcomes as JUnit XML, which every CI server reads."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from isthmus.app.testing.case import Outcome


def written(outcomes: Sequence[Outcome]) -> bytes:
    """A `testsuites` document with one suite."""
    failed = sum(not one.passed for one in outcomes)
    seconds = f"{sum(one.seconds for one in outcomes):.4f}"
    root = ElementTree.Element("testsuites")
    counts = {"tests": str(len(outcomes)), "failures": str(failed), "errors": "0", "time": seconds}
    suite = ElementTree.SubElement(root, "testsuite", {"name": "isthmus", **counts})
    for outcome in outcomes:
        spot = outcome.test.spot
        case = ElementTree.SubElement(
            suite, "testcase", name=outcome.test.name, classname=spot.file, file=spot.file, line=str(spot.line),
            time=f"{outcome.seconds:.4f}",
        )  # fmt: skip
        if not outcome.passed:
            failure = ElementTree.SubElement(case, "failure", message=outcome.differences[0].what)
            failure.text = "\n".join(str(one) for one in outcome.differences)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text
