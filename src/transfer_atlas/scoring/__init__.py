"""From a source model and a target's images to the samples that all metrics score."""
