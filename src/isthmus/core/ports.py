# SPDX-License-Identifier: Apache-2.0
"""Which port a server of ours gets where nobody has said one: by chance, and none that the system gives away."""

from __future__ import annotations

import random
from typing import Final

PORTS: Final = range(20_000, 30_000)
"""Below those that Linux gives to outgoing connections (ip_local_port_range: from 32768) and Kubernetes to services
(from 30000): nobody else takes such a port between choosing it and listening there, nor while what listens there is
started again.
"""
_TRIES: Final = 100


def by_chance() -> list[int]:
    """Ports to try in turn; 0 after them, which is any that is free."""
    return [*random.sample(PORTS, _TRIES), 0]
