"""One file a training regime, with callbacks and checkpoints."""
