"""Hash the code of each pipeline stage, so that DVC can use the hashes as parameters."""
