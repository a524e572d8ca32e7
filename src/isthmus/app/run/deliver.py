# SPDX-License-Identifier: Apache-2.0
"""The `deliver` service as a process: `python -m isthmus.app.run.deliver`, started once a plant has outputs."""

from __future__ import annotations

from isthmus.app.run.service import Work, main
from isthmus.flow.deliver.deliver import deliver


async def body(work: Work) -> None:
    await deliver(work.log, work.place.root, ready=work.ready, stop=work.stop, report=work.say)


if __name__ == "__main__":
    main("deliver", body)
