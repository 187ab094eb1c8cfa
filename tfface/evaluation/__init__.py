"""Benchmarks: readers of data that people own, predictions of networks and peers, tables and reports."""
