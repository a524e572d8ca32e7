# SPDX-License-Identifier: Apache-2.0
"""How the ledger's tables came to be, one step per file; run by themselves when a ledger is opened."""
