"""Networks as people exchange them."""
