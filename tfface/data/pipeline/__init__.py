"""Samples to batches, augmented, for every backend."""
