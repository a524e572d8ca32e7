# SPDX-License-Identifier: Apache-2.0
"""`python -m isthmus` is the command `isthmus`."""

from isthmus.app.cli import main

if __name__ == "__main__":
    main()
