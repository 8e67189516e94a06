"""What `faults.py` is made of: the places and the processes of a bench, and the faults that befall it."""
