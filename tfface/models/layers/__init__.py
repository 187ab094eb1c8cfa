"""What networks are built of, in Keras alone."""
