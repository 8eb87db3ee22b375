"""From raw skeleton files to batches: readers, splits, the prepared store, the sampler."""
