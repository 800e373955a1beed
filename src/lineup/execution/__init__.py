"""Run the pipeline: its plan, its processes, the demo and the checks of a machine."""
