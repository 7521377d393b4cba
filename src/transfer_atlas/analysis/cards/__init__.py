"""Dataset cards: what is known of a prepared dataset, as facts, as a picture, and as a page."""
