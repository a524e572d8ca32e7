# SPDX-License-Identifier: Apache-2.0
"""What kinds share that ask a device for blocks of its memory: schedule, rounds, blocks refused, columns."""
