"""Load stored models and predict with them, with or without MLflow."""
