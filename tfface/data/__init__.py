"""Samples to learn from: where they come from, how they are kept, and how they become batches."""
