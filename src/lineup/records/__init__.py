"""Read, write and group the results of trainings and committees."""
