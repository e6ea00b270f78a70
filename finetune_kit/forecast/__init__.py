"""What a run will need, from the model's `config.json` alone: memory by part, and time. No weight is loaded."""
