"""What a process shows of its work, and how it is asked to stop."""
