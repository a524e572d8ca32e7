# SPDX-License-Identifier: Apache-2.0
"""Plants to play with: simulated, each behind a real server in a process of its own."""
