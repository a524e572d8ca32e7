# SPDX-License-Identifier: Apache-2.0
"""A small tank farm: water is received, heated, cooled and loaded into trucks, by physics and controllers."""
