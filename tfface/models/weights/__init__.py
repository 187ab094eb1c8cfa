"""Where weights are kept, and how those of one network become those of another."""
