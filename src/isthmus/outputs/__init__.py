# SPDX-License-Identifier: Apache-2.0
"""The doors out: one module or folder per kind of output, the contract they all keep, and the registry of them."""
