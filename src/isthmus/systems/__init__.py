# SPDX-License-Identifier: Apache-2.0
"""The doors: one module or folder per kind of system, the contract they all keep, and the registry that finds them."""
