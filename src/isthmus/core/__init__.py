# SPDX-License-Identifier: Apache-2.0
"""The words everyone speaks: path, tag, samples, quality, unit, event, time, errors. Imports nothing of ours."""
