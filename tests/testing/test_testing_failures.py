# SPDX-License-Identifier: Apache-2.0
"""A test beside the plant file fails when it should and says what came; a wrong file says where it is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from isthmus.app.testing.running import load_tests, run_tests
from isthmus.core.errors import PlantFileError

MQTT = Path(__file__).parents[1] / "cases" / "systems" / "mqtt"

GIVEN = "{system: shopfloor, topic: line-1/oven-1, payload: {temperature: 81.5, running: true, count: 3}}"


def differences(tmp_path: Path, expect: str, given: str = GIVEN) -> list[str]:
    path = tmp_path / "some.yaml"
    path.write_text(f"tests:\n  it is so:\n    given: {given}\n    expect: {expect}\n", encoding="utf-8")
    bench, tests = load_tests(MQTT, [path])
    return [str(one).removeprefix(f"{tmp_path}/") for outcome in run_tests(bench, tests) for one in outcome.differences]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("{samples: {baking/oven-1/temperature: 80}}", "value is 81.5, not 80"),
        ("{samples: {baking/oven-1/temperature: null}}", "value is 81.5, not none"),
        ("{samples: {baking/oven-1/temperature: {value: 80, tolerance: 1}}}", "value is 81.5, not 80"),
        ("{samples: {baking/oven-1/temperature: {value: 81.5, quality: Bad}}}", "quality is Good, not Bad"),
        ("{samples: {baking/oven-1/temperature: {value: 81.5, marks: future}}}", "marks are none, not future"),
        ("{samples: {baking/oven-1/temperature: [81.5, 82]}}", "no sample came"),
        ("{samples: {baking/oven-1/temperature: []}}", "81.5 Good at"),
        ("{samples: {baking/oven-1/running: 1}}", "value is true, not 1"),
        ("{samples: {baking/oven-1/count: 3.5}}", "value is 3, not 3.5"),
        ("{samples: {baking/oven-2/temperature: 81.5}}", "baking/oven-2/temperature: no sample came"),
        ("{samples: {baking/oven-1/temperature: 81.5}, only: true}", "and only others are expected"),
        ("{samples: {baking/oven-1/temperature: 81.5}, quarantine: no JSON}", "no quarantine with 'no JSON'"),
        ("{samples: {baking/oven-1/temperature: 81.5}, events: gone}", "no event with 'gone'"),
        ("{error: it takes 2 registers}", "no error with 'it takes 2 registers'"),
    ],
)
def test_what_is_not_as_expected_is_said_with_its_line(expect: str, said: str, tmp_path: Path) -> None:
    found = differences(tmp_path, expect)
    assert found
    assert all(one.startswith("some.yaml:4:") for one in found)
    assert any(said in one for one in found), found


def test_what_goes_to_quarantine_unexpected_fails_the_test_and_shows_its_bytes(tmp_path: Path) -> None:
    given = '{system: shopfloor, topic: line-1/oven-1, bytes: "7b 00 ff"}'
    found = differences(tmp_path, "{samples: {baking/oven-1/count: {quality: BadTypeMismatch}}}", given)
    assert len(found) == 3
    assert all("quarantine that is not expected" in one and "{\\x00\\xff" in one for one in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: {a: {given: {system: shopflor, topic: a, payload: 1}, expect: {only: true}}}", "shopfloor"),
        ("tests: {a: {given: {system: shopfloor, topik: a, payload: 1}, expect: {only: true}}}", "mean 'topic'"),
        ("tests: {a: {given: {system: shopfloor, topic: a}, expect: {only: true}}}", "say one of payload and bytes"),
        ("tests: {a: {given: {system: shopfloor, topic: a, bytes: zz}, expect: {only: true}}}", "hexadecimal"),
        ("tests: {a: {given: {topic: a, payload: 1}, expect: {only: true}}}", "'system' is missing"),
        ("tests: {a: {given: {system: shopfloor, topic: a, payload: 1}}}", "'expect' is missing"),
        ("tests: {a: {given: {system: shopfloor, topic: a, payload: 1}, expect: {}}}", "expects nothing"),
        ("tests: {a: {given: {plant: ../../x.yaml}, expect: {error: x}}}", "there is no file"),
        ("tests: {a: {given: {plant: no.yaml}, expect: {error: x}}}", "there is no file"),
        (
            "tests: {a: {given: {system: shopfloor, values: [{tag: baking/oven-1/temperatur, value: 1}]},"
            " expect: {only: true}}}",
            "no tag is read from",
        ),
        (
            "tests: {a: {given: {system: shopfloor, topic: a, payload: 1}, expect: {samples: {baking/oven-1/count:"
            " {value: 1, marks: outofrange}}}}}",
            "did you mean 'out of range'?",
        ),
        (
            "tests: {a: {given: {system: shopfloor, topic: a, payload: 1},"
            " expect: {samples: {baking/oven-1/cont: 1}}}}",
            "did you mean 'baking/oven-1/count'?",
        ),
        ("tests: [", "not YAML"),
        ("\x00", "cannot stand"),
        ("", "empty"),
        ("tests: 7", "wants a mapping"),
    ],
)
def test_a_wrong_file_says_where_it_is_wrong_and_what_was_meant(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlantFileError) as caught:
        load_tests(MQTT, [path])
    assert all(problem.file == str(path) and problem.line >= 1 for problem in caught.value.problems)
    assert said in str(caught.value)


def isthmus(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "isthmus", "test", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def test_the_command_tells_what_failed_chooses_and_reports_for_machines(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        f"tests:\n  a hot oven:\n    given: {GIVEN}\n    expect: {{samples: {{baking/oven-1/temperature: 80}}}}\n"
        f"  a running oven:\n    given: {GIVEN}\n    expect: {{samples: {{baking/oven-1/running: true}}}}\n"
    )
    failed = isthmus(str(MQTT), str(wrong), "--junit", str(tmp_path / "report.xml"))
    assert failed.returncode == 1
    assert f"FAILED  a hot oven  ({wrong}:2)" in failed.stdout
    assert "1 passed, 1 failed in" in failed.stdout
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    chosen = isthmus(str(MQTT), str(wrong), "-k", "RUNNING", "--json")
    assert chosen.returncode == 0
    assert [(one["name"], one["passed"]) for one in json.loads(chosen.stdout)] == [("a running oven", True)]
    assert isthmus(str(MQTT), str(wrong), "-k", "no such").returncode == 2
    nothing = isthmus(str(tmp_path))
    assert nothing.returncode == 1
    assert "Traceback" not in nothing.stderr
