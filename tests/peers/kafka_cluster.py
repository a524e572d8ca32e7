# SPDX-License-Identifier: Apache-2.0
"""librdkafka's mock cluster, as a process of its own.

`python -m tests.peers.kafka_cluster BROKERS PARTITIONS TOPIC...` prints where it listens; commands on stdin: `down N`,
`up N` for a broker, `rtt N MS` for one that takes its time, `errors API CODE...` for the next requests of a kind, each
answered with OK. The functions are those of rdkafka_mock.h, in the library that confluent-kafka brings. A partition
keeps the last 5 MB.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.peers.child import freeze


def _library() -> Any:
    import confluent_kafka

    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka-*.so*"))))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_rtt": (number, [pointer, ctypes.c_int32, number]),
        "rd_kafka_mock_push_request_errors_array": (None, [pointer, ctypes.c_int16, ctypes.c_size_t, pointer]),
    }
    for name, (result, given) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, given
    return library


def main(brokers: int, partitions: int, topics: list[str]) -> None:
    library, error = _library(), ctypes.create_string_buffer(512)
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"log_level", b"0", error, 512)
    client = library.rd_kafka_new(0, settings, error, 512)
    assert client, error.value
    cluster = library.rd_kafka_mock_cluster_new(client, brokers)
    for topic in topics:
        library.rd_kafka_mock_topic_create(cluster, topic.encode(), partitions, brokers)
    print(library.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)
    for line in sys.stdin:
        word, *numbers = line.split()
        if word in ("down", "up"):
            getattr(library, f"rd_kafka_mock_broker_set_{word}")(cluster, int(numbers[0]))
        elif word == "rtt":
            library.rd_kafka_mock_broker_set_rtt(cluster, *map(int, numbers))
        else:
            api, codes = int(numbers[0]), (ctypes.c_int * (len(numbers) - 1))(*map(int, numbers[1:]))
            library.rd_kafka_mock_push_request_errors_array(cluster, api, len(codes), codes)
        print("OK", flush=True)


class Cluster:
    """A cluster for a test."""

    def __init__(self, *topics: str, brokers: int = 3, partitions: int = 4) -> None:
        words = [sys.executable, "-m", "tests.peers.kafka_cluster", str(brokers), str(partitions), *topics]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.servers = self.process.stdout.readline().strip().split(",")
        self.brokers = brokers

    def do(self, *words: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "OK\n"

    def cut(self) -> None:
        """All brokers are gone; what they have they keep."""
        for number in range(1, self.brokers + 1):
            self.do("down", number)

    def mend(self) -> None:
        for number in range(1, self.brokers + 1):
            self.do("up", number)

    def slow(self, milliseconds: int) -> None:
        """Every answer takes so long."""
        for number in range(1, self.brokers + 1):
            self.do("rtt", number, milliseconds)

    def freeze(self) -> None:
        """All brokers are there, and say nothing."""
        freeze(self.process.pid)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
