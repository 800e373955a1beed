"""Read, write and group the results of models and committees."""
