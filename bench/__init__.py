# SPDX-License-Identifier: Apache-2.0
"""How fast and how large, as ratios against a named baseline in the same run; see docs/benchmarks.md."""
