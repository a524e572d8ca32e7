# SPDX-License-Identifier: Apache-2.0
"""The command line: `main` runs one command and says what went wrong without a traceback.

Exit codes: 0 done, 1 could not be done, 2 asked wrongly, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command that the process was started with, and exits."""
    from isthmus.app.cli.commands import app
    from isthmus.core.errors import IsthmusError, Misasked
    from isthmus.core.spared import PANDAS, spared

    try:
        with spared(PANDAS):
            app(prog_name="isthmus")
    except IsthmusError as error:
        sys.stderr.write(f"isthmus: {error}\n" if "\n" not in str(error) else f"{error}\n")
        raise SystemExit(2 if isinstance(error, Misasked) else 1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader (`| head`) has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
