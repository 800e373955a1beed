"""MLflow as a view of the records: the store, live metrics, publishing, the model registry."""
