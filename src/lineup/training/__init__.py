"""Train models and write their records."""
