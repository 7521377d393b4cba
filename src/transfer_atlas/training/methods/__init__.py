"""How a transfer starts and trains: plain fine-tuning, or guided by what is known of source and target."""
