"""A folder's results as one page that needs no network."""
