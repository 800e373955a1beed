"""Load stored models and make predictions, with or without MLflow."""
