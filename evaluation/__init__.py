"""Protocols and error analysis, numpy alone: labelled records in, figures out. Knows no file, network or engine."""
