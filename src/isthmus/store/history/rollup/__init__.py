# SPDX-License-Identifier: Apache-2.0
"""Roll-ups: what the samples of a tag in a minute or a quarter of an hour come to, kept so that they need not be read.

A roll-up is only ever a cache. Each row says what follows from the samples in it alone, first to last; what lies
between two rows follows from the last sample of one and the first of the next. So rows never depend on their
neighbours, and a question put to rows has the answer that the samples give (`condense.py`).
"""
