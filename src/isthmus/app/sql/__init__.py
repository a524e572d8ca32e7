# SPDX-License-Identifier: Apache-2.0
"""Questions in SQL: asked here, answered by a process that can do nothing else."""
