"""Work of several threads, processes or machines."""
