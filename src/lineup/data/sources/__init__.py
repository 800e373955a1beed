"""Recognise and read the images of a user: folders, CSV tables, NPZ, IDX and Parquet files."""
