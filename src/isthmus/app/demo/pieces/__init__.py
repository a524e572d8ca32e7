# SPDX-License-Identifier: Apache-2.0
"""The physical things example plants are built of: SI units inside, fixed steps, every joule accounted for.

A piece has parameters, state and `step(dt, ...)`. All flows of a step are those at its start and both ends use the same
number, so balances close to rounding. Nothing here knows clocks, networks or tags.
"""
