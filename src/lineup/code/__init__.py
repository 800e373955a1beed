"""The code of each stage as a parameter of DVC: the files that it runs, with hashes of their meaning."""
