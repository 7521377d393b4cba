"""Where a study stands: what is done, at work, waiting and failed, from leases and run.json in the store."""
