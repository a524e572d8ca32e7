# SPDX-License-Identifier: Apache-2.0
"""What operators see and do now, beginning with the last values."""
