# SPDX-License-Identifier: Apache-2.0
"""The log: run nats-server, name subjects, publish with acknowledgement, follow from a position."""
