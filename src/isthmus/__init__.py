# SPDX-License-Identifier: Apache-2.0
"""Isthmus joins the plant floor (OT) and the business (IT): one file describes the plant, one command runs it."""

__version__ = "0.1.0"
