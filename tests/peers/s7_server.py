# SPDX-License-Identifier: Apache-2.0
"""An S7 server of python-snap7 in a process of its own: `python s7_server.py PORT NUMBER:BYTES...`.

PORT 0 takes a free one; data blocks of so many zeros are there before it listens.

Commands, one a line on the input, are answered with `ok`; it ends with its input.
  block NUMBER HEX     the data block, as long as these bytes
  area i|q|m HEX       the same of an area
  set NUMBER BYTE HEX  changes bytes of a data block
  get NUMBER BYTE N    answers with bytes of it
  drop NUMBER          there is no such block any more
  count                requests so far
"""

from __future__ import annotations

import logging
import sys

from snap7.server import Server
from snap7.type import SrvArea

AREAS = {"i": SrvArea.PE, "q": SrvArea.PA, "m": SrvArea.MK}


class Counting(Server):  # type: ignore[misc]  # python-snap7 is untyped to mypy here
    """Counts what it is asked."""

    asked = 0

    def _process_request(self, request_data: bytes, client_address: tuple[str, int]) -> bytes | None:
        self.asked += 1
        answer: bytes | None = super()._process_request(request_data, client_address)
        return answer


def obey(server: Counting, blocks: dict[int, bytearray], words: list[str]) -> str:
    match words:
        case ["block", number, *hex_]:
            blocks[int(number)] = bytearray.fromhex("".join(hex_))
            server.register_area(SrvArea.DB, int(number), blocks[int(number)])
        case ["area", name, hex_]:
            server.register_area(AREAS[name], 0, bytearray.fromhex(hex_))
        case ["set", number, byte, hex_]:
            data = bytes.fromhex(hex_)
            blocks[int(number)][int(byte) : int(byte) + len(data)] = data
        case ["get", number, byte, count]:
            return blocks[int(number)][int(byte) : int(byte) + int(count)].hex()
        case ["drop", number]:
            server.unregister_area(SrvArea.DB, int(number))
        case ["count"]:
            return str(server.asked)
        case _:
            raise SystemExit(f"what? {words}")
    return "ok"


def main() -> None:
    logging.disable()
    server = Counting(log=False)
    blocks = {int(number): bytearray(int(size)) for number, _, size in (word.partition(":") for word in sys.argv[2:])}
    for number, data in blocks.items():
        server.register_area(SrvArea.DB, number, data)
    server.start_to("127.0.0.1", int(sys.argv[1]))
    assert server.server_socket
    print("READY", server.server_socket.getsockname()[1], flush=True)
    for line in sys.stdin:
        print(obey(server, blocks, line.split()), flush=True)


main()
