"""Fitting a model on a task and evaluating it, resumable and repeatable to the bit."""
