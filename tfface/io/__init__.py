"""Reading and writing: images, meshes, records, and files that are either whole or absent."""
