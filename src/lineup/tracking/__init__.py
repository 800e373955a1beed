"""Log trainings and committees in MLflow, and register the champion."""
