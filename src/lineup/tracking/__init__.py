"""Records on disk, and MLflow as a view of them."""
