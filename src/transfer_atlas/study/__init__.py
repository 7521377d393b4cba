"""What is asked: the study, its checks, its messages and its reference."""
