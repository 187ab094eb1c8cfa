"""Videos and cameras: faces tracked, one identity a person, expression and pose without jitter."""
