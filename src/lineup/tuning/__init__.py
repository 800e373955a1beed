"""Search for better settings of a model with Optuna. The test images are not used."""
