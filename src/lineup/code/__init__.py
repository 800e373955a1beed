"""The code of each stage as a parameter of DVC: which files it runs, and a hash of what each of them means."""
