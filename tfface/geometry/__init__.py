"""Cameras, rotations, meshes, UV tables, alignment."""
