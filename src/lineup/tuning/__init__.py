"""Search for better settings of a model with Optuna. The test images take no part."""
