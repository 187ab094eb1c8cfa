"""Rasterising and shading."""
