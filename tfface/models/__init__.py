"""Networks, one file an architecture; no I/O, no losses."""
