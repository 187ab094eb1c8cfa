"""How a synthetic person is photographed: light, surroundings, what is in the way, the camera."""
