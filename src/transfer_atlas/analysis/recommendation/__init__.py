"""From what is known of candidates to what to start from: predictors, rules, the answer and its reasons."""
