# SPDX-License-Identifier: Apache-2.0
"""The `collect` service as a process: `python -m isthmus.app.run.collect`, started by the supervisor."""

from __future__ import annotations

from isthmus.app.run.service import Work, main
from isthmus.flow.collect import collect


async def body(work: Work) -> None:
    await collect(work.log, work.place.root, work.node, ready=work.ready, stop=work.stop, report=work.say)


if __name__ == "__main__":
    main("collect", body)
