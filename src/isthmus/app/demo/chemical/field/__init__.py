# SPDX-License-Identifier: Apache-2.0
"""Systems of the plant that speak no OPC UA: a Modbus gateway, meters, a skid, a laboratory, quality's table."""

from typing import Final

NAME: Final = "field"
"""Of their process."""
