"""Files of samples: a folder of shards and its card, and what a record of each kind holds."""
