# SPDX-License-Identifier: Apache-2.0
"""SQL over the history: DuckDB with views, over bytes that were checked and with no way to anything else."""
