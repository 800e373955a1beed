"""Predict with stored models, with MLflow or without it."""
