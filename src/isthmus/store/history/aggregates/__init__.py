# SPDX-License-Identifier: Apache-2.0
"""History summed up: OPC UA Part 13 aggregates, values at given times, screens and plant time, on raw columns.

Pure functions of numpy arrays: nothing here reads a file or a clock. Clauses are those of OPC 10000-13, v1.05.
"""
