"""MLflow as a view of the records: where the runs are, live curves, publishing."""
