"""Log records in MLflow, during training and afterwards."""
