# SPDX-License-Identifier: Apache-2.0
"""The moving floor: collect and standardise. The only place where systems meet the log."""
