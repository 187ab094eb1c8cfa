"""Fitting the open face model to photographs, without training: landmarks first, then every visible vertex's colour."""
