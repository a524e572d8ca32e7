# SPDX-License-Identifier: Apache-2.0
"""The HTTP API of a running plant: one file per noun, read-only until there are people and roles."""
