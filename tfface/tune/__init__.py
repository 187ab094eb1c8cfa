"""Sweeps over hyperparameters with Ray Tune (docs/sweeps.md), and training on a Ray cluster; needs the extra `tune`."""
