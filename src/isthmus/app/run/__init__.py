# SPDX-License-Identifier: Apache-2.0
"""What runs: one supervisor per data directory, and one child process per service."""
