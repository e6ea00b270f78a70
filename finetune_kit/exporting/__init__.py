"""A run's result in a form that other tools read: the adapter, or the whole model with the adapter merged into it."""
