# SPDX-License-Identifier: Apache-2.0
"""Samples go on: every output follows the log from a position of its own, and goes on from history behind it."""
