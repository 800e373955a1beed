"""Records: the folder of results that each training and each committee writes."""
