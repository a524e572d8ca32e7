# SPDX-License-Identifier: Apache-2.0
"""Importing takes what other historians kept into the history, each row once, whatever dies on the way."""
