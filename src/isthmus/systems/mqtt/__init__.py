# SPDX-License-Identifier: Apache-2.0
"""MQTT 3.1.1 and 5: packets, connections, and how a broker is named in the plant file."""
