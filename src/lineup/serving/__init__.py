"""Predict with stored models, without MLflow or with it."""
