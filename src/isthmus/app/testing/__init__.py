# SPDX-License-Identifier: Apache-2.0
"""Tests beside a plant file: given this from a source, these samples come of it, or this error."""
