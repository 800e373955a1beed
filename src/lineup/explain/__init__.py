"""Show how a trained network classifies images."""
