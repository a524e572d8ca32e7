# SPDX-License-Identifier: Apache-2.0
"""The plant file becomes a revision: load it with positions, check it, compare it, number its tags."""
