"""Datasets: their files, how they are fetched, read and split."""
