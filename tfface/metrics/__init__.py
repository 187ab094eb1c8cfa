"""How good a face is: pure NumPy functions, each with its protocol in the docstring."""
