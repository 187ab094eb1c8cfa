"""The morphable model, its landmarks, and the position-map topology."""
