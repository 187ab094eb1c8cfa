"""Face detectors behind one protocol."""
