"""MediaPipe's BlazeFace: networks, what their numbers mean, and how a photograph is searched with them."""
