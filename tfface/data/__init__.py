"""Sources of training samples, augmentation, pipelines."""
