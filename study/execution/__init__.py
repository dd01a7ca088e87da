"""How it runs: the queue, engines, workers, trials."""
