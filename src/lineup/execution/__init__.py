"""Run the pipeline, create projects, and check the machine."""
