# SPDX-License-Identifier: Apache-2.0
"""The program: run (services and their supervisor), the command line, the demo plants, the generated docs."""
