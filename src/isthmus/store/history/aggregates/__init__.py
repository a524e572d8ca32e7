# SPDX-License-Identifier: Apache-2.0
"""History summed up: OPC UA Part 13 aggregates, values at given times, screens and plant time, on raw columns.

Pure functions of numpy arrays: nothing here reads a file or a clock. Clauses are those of OPC 10000-13, v1.05.

Where the standard's text and its examples disagree, the text holds. Where the text is silent the examples do:
- before the start of data an interval counts as Bad, after the end of data it is cut off (simple bounds);
- when 100 minus percent-data-bad equals percent-data-good, less is Uncertain, and Bad only if nothing is good;
- among counted values an Uncertain one that is not treated as Bad is neither Good nor Bad;
- several Good worst qualities are not told of as multiple.

What the standard does not know are gaps, time in which a tag was not observed. A value holds up to a gap; then nothing
is known until the next sample: bounds there are Bad_NoData, durations Bad, averages and totals leave that time out, and
what is counted or picked from samples is Uncertain_DataSubNormal instead of Good where a part of the interval was not
observed, Bad_NoData where nothing of it was.
"""
