# SPDX-License-Identifier: Apache-2.0
"""What is kept of every tag: recorded from the log into sorted segments, read back at one position."""
