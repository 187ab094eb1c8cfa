"""Photographs for more machines than one: what is listed, done in parts by Ray's workers, and gathered in one table."""
