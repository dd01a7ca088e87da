"""What runs: specs, arms, modes, trials."""
