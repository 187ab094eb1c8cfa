"""Losses: pure functions, one idea a file."""
