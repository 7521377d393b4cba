"""Two studies side by side: before and after, ours and published, two laboratories."""
