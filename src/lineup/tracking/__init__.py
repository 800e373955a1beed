"""Log models and committees in MLflow, and register the champion."""
