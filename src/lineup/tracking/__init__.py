"""Log records in MLflow: the store, live metrics, publishing and the model registry."""
